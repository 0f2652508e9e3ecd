using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Packages;

/// <summary>The packages as their users get them: what is in them.</summary>
[Slow]
[Collection<PackageSuite>]
[Trait("Poller", "epoll")]
public sealed partial class PackageTests(PackedApp app)
{
    private const string Templates = "KestrelEventLoopTransport.Templates";

    // FrameClient's waits between attempts are Polly's.
    private static readonly Dictionary<string, string[]> _dependencies = new()
    {
        ["KestrelEventLoopTransport"] = [],
        ["KestrelEventLoopTransport.Framing"] = ["Polly.Core"],
        ["KestrelEventLoopTransport.Orleans"] =
            ["KestrelEventLoopTransport", "Microsoft.Orleans.Core", "Microsoft.Orleans.Runtime"],
        [Templates] = [],
    };

    public static TheoryData<string> Packages => [.. _dependencies.Keys];

    public static TheoryData<string> Libraries => [.. _dependencies.Keys.Where(static name => name != Templates)];

    [Theory(Timeout = HangGuard.PackageMilliseconds)]
    [MemberData(nameof(Packages))]
    public async Task A_package_has_all_that_a_user_looks_for_and_depends_on_as_little_as_it_may(string name)
    {
        await using var package = await ZipFile.OpenReadAsync(app.PackageOf(name), HangGuard.Token);
        var files = package.Entries.Select(entry => entry.FullName).ToList();
        Assert.Contains("README.md", files);
        Assert.Contains("icon.png", files);

        await using var stream = await package.GetEntry($"{name}.nuspec")!.OpenAsync(HangGuard.Token);
        var metadata = (await XDocument.LoadAsync(stream, LoadOptions.None, HangGuard.Token)).Root!.Elements().Single();
        string? Text(string element) => metadata.Elements().SingleOrDefault(
            found => found.Name.LocalName == element)?.Value;
        Assert.Equal(name, Text("id"));
        Assert.Equal("MIT", Text("license"));
        Assert.Equal("README.md", Text("readme"));
        Assert.Equal("icon.png", Text("icon"));
        Assert.Equal(PackedApp.RepositoryUrl, Text("projectUrl"));
        Assert.EndsWith(".", Text("description"), StringComparison.Ordinal);
        Assert.Contains("kestrel", Text("tags"), StringComparison.Ordinal);
        Assert.False(string.IsNullOrWhiteSpace(Text("releaseNotes")));
        Assert.DoesNotContain("# Changelog", Text("releaseNotes"), StringComparison.Ordinal);

        var dependencies = metadata.Descendants()
            .Where(static element => element.Name.LocalName == "dependency")
            .ToDictionary(
                static element => element.Attribute("id")!.Value,
                static element => element.Attribute("version")!.Value);
        Assert.Equal(_dependencies[name], dependencies.Keys);
        Assert.All(
            dependencies.Where(static dependency => _dependencies.ContainsKey(dependency.Key)),
            static dependency => Assert.Equal(PackedApp.Version, dependency.Value));
        Assert.Equal(
            name == Templates ? ["Template"] : [],
            metadata.Descendants()
                .Where(static element => element.Name.LocalName == "packageType")
                .Select(static element => element.Attribute("name")!.Value));
    }

    [Theory(Timeout = HangGuard.PackageMilliseconds)]
    [MemberData(nameof(Packages))]
    public async Task Each_link_of_a_readme_leads_into_the_repository_at_the_commit(string name)
    {
        Assert.SkipUnless(Path.Exists(Repository.PathOf(".git")), "The tests were not built in a clone: no commit.");
        await using var package = await ZipFile.OpenReadAsync(app.PackageOf(name), HangGuard.Token);
        using var reader = new StreamReader(await package.GetEntry("README.md")!.OpenAsync(HangGuard.Token));
        var text = await reader.ReadToEndAsync(HangGuard.Token);

        var links = Link().Matches(text).Select(static match => match.Groups[1].Value).ToList();
        Assert.All(
            links, static link => Assert.True(link[0] == '#' || Uri.IsWellFormedUriString(link, UriKind.Absolute)));
        var paths = RepositoryLink().Matches(text).Select(static match => match.Groups[1].Value).ToList();
        Assert.All(paths, static path => Assert.True(Path.Exists(Repository.PathOf(path)), $"{path} is not there."));

        // Nothing else of it is different.
        var folder = name == Templates ? "build/template" : name == "KestrelEventLoopTransport" ? "" : $"src/{name}";
        var source = await File.ReadAllTextAsync(Repository.PathOf(folder, "README.md"), HangGuard.Token);
        Assert.Equal(source, RepositoryLink().Replace(text, folder.Length == 0 ? "]($1)" : "](../../$1)"));
    }

    [Theory(Timeout = HangGuard.PackageMilliseconds)]
    [MemberData(nameof(Libraries))]
    public async Task No_path_of_the_machine_that_packed_is_in_a_package(string name)
    {
        var paths = new[] { Repository.Root, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + "/" };
        foreach (var extension in new[] { ".nupkg", ".snupkg" })
        {
            await using var package = await ZipFile.OpenReadAsync(app.PackageOf(name, extension), HangGuard.Token);
            foreach (var entry in package.Entries)
            {
                var bytes = await ReadAsync(entry);
                foreach (var path in paths)
                {
                    Assert.True(
                        bytes.ToArray().AsSpan().IndexOf(Encoding.UTF8.GetBytes(path)) < 0, $"{entry} has {path}");
                    Assert.True(
                        bytes.ToArray().AsSpan().IndexOf(Encoding.Unicode.GetBytes(path)) < 0, $"{entry} has {path}");
                }
            }
        }
    }

    [Theory(Timeout = HangGuard.PackageMilliseconds)]
    [MemberData(nameof(Libraries))]
    public async Task A_package_has_precompiled_code_for_each_system_and_IL_with_documentation_for_the_rest(string name)
    {
        await using var package = await ZipFile.OpenReadAsync(app.PackageOf(name), HangGuard.Token);
        Assert.NotNull(package.GetEntry($"lib/net10.0/{name}.xml"));
        var assemblies = package.Entries.Where(entry => entry.Name == $"{name}.dll").ToList();
        Assert.Equal(
            [
                "lib/net10.0", "runtimes/linux-arm64/lib/net10.0", "runtimes/linux-x64/lib/net10.0",
                "runtimes/osx-arm64/lib/net10.0", "runtimes/osx-x64/lib/net10.0",
            ],
            assemblies.Select(entry => Path.GetDirectoryName(entry.FullName)).Order());
        foreach (var assembly in assemblies)
        {
            using var bytes = await ReadAsync(assembly);
            var image = !assembly.FullName.StartsWith("lib/", StringComparison.Ordinal);
            Assert.Equal(image, Precompiled.IsCode(bytes));
            if (image)
            {
                // Where the compiler does not find what an assembly refers to, it leaves out what uses that.
                var functions = Precompiled.TableSize(bytes)
                    / (assembly.FullName.Contains("arm64", StringComparison.Ordinal) ? 8 : 12);
                Assert.InRange(functions, Precompiled.CountMethods(bytes) / 2, int.MaxValue);
            }
        }
    }

    private static async Task<MemoryStream> ReadAsync(ZipArchiveEntry entry)
    {
        await using var stream = await entry.OpenAsync(HangGuard.Token);
        var bytes = new MemoryStream();
        await stream.CopyToAsync(bytes, HangGuard.Token);
        return bytes;
    }

    [GeneratedRegex(@"\]\(([^)]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"\]\(" + PackedApp.RepositoryUrl + @"/blob/[0-9a-f]{40}/([^)]+)\)")]
    private static partial Regex RepositoryLink();
}
