using System.IO.Compression;
using System.Text;
using System.Xml.Linq;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Packages;

/// <summary>The packages as their users get them: what is in them.</summary>
[Slow]
[Collection<PackageSuite>]
[Trait("Poller", "epoll")]
public sealed class PackageTests(PackedApp app)
{
    public static TheoryData<string> Packages => ["KestrelEventLoopTransport", "KestrelEventLoopTransport.Framing"];

    [Theory(Timeout = HangGuard.PackageMilliseconds)]
    [MemberData(nameof(Packages))]
    public async Task A_package_has_all_that_a_user_looks_for_and_depends_on_as_little_as_it_may(string name)
    {
        await using var package = await ZipFile.OpenReadAsync(app.PackageOf(name), HangGuard.Token);
        var files = package.Entries.Select(entry => entry.FullName).ToList();
        Assert.Contains("README.md", files);
        Assert.Contains("icon.png", files);
        Assert.Contains($"lib/net10.0/{name}.dll", files);
        Assert.Contains($"lib/net10.0/{name}.xml", files);

        await using var stream = await package.GetEntry($"{name}.nuspec")!.OpenAsync(HangGuard.Token);
        var metadata = (await XDocument.LoadAsync(stream, LoadOptions.None, HangGuard.Token)).Root!.Elements().Single();
        string? Text(string element) => metadata.Elements().SingleOrDefault(
            found => found.Name.LocalName == element)?.Value;
        Assert.Equal(name, Text("id"));
        Assert.Equal("MIT", Text("license"));
        Assert.Equal("README.md", Text("readme"));
        Assert.Equal("icon.png", Text("icon"));
        Assert.Contains("kestrel", Text("tags"), StringComparison.Ordinal);
        Assert.False(string.IsNullOrWhiteSpace(Text("releaseNotes")));
        Assert.DoesNotContain("# Changelog", Text("releaseNotes"), StringComparison.Ordinal);

        // FrameClient's waits between attempts are Polly's.
        string[] dependencies = name == "KestrelEventLoopTransport.Framing" ? ["Polly.Core"] : [];
        Assert.Equal(
            dependencies,
            metadata.Descendants().Where(static element => element.Name.LocalName == "dependency").Select(
                static element => element.Attribute("id")!.Value));
    }

    [Theory(Timeout = HangGuard.PackageMilliseconds)]
    [MemberData(nameof(Packages))]
    public async Task No_path_of_the_machine_that_packed_is_in_a_package(string name)
    {
        var paths = new[] { Repository.Root, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + "/" };
        foreach (var extension in new[] { ".nupkg", ".snupkg" })
        {
            await using var package = await ZipFile.OpenReadAsync(app.PackageOf(name, extension), HangGuard.Token);
            foreach (var entry in package.Entries)
            {
                await using var stream = await entry.OpenAsync(HangGuard.Token);
                var bytes = new MemoryStream();
                await stream.CopyToAsync(bytes, HangGuard.Token);
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
    [MemberData(nameof(Packages))]
    public async Task A_package_has_precompiled_code_for_each_system_and_IL_for_the_rest(string name)
    {
        await using var package = await ZipFile.OpenReadAsync(app.PackageOf(name), HangGuard.Token);
        var assemblies = package.Entries.Where(entry => entry.Name == $"{name}.dll").ToList();
        Assert.Equal(
            [
                "lib/net10.0", "runtimes/linux-arm64/lib/net10.0", "runtimes/linux-x64/lib/net10.0",
                "runtimes/osx-arm64/lib/net10.0", "runtimes/osx-x64/lib/net10.0",
            ],
            assemblies.Select(entry => Path.GetDirectoryName(entry.FullName)).Order());
        foreach (var assembly in assemblies)
        {
            await using var stream = await assembly.OpenAsync(HangGuard.Token);
            var bytes = new MemoryStream();
            await stream.CopyToAsync(bytes, HangGuard.Token);
            Assert.Equal(
                !assembly.FullName.StartsWith("lib/", StringComparison.Ordinal), Precompiled.IsCode(bytes));
        }
    }
}
