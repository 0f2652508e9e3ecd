using System.IO.Compression;
using System.Net;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Packages;

/// <summary>The packages as their users get them: what is in them, and an app built with nothing else.</summary>
[Slow]
[Trait("Poller", "epoll")]
public sealed partial class PackageTests(PackedApp app) : IClassFixture<PackedApp>
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
            Assert.Equal(!assembly.FullName.StartsWith("lib/", StringComparison.Ordinal), IsPrecompiled(bytes));
        }
    }

    [Fact(Timeout = HangGuard.PackageMilliseconds)]
    public async Task An_app_outside_the_repository_is_built_from_the_packages_and_loads_precompiled_code()
    {
        var output = await app.MakeAsync("build", "built");
        await AssertServesAsync("dotnet", [Path.Combine(output, "App.dll")], AssertPrecompiled);
    }

    [Fact(Timeout = HangGuard.PackageMilliseconds)]
    public async Task So_does_an_app_that_is_built_for_one_system()
    {
        var output = await app.MakeAsync(
            "build", "built-for-one", "--runtime", RuntimeInformation.RuntimeIdentifier, "--self-contained", "false");
        Assert.False(Directory.Exists(Path.Combine(output, "runtimes")));
        await AssertServesAsync("dotnet", [Path.Combine(output, "App.dll")], AssertPrecompiled);
    }

    [Fact(Timeout = HangGuard.PackageMilliseconds)]
    public async Task It_is_published_as_a_single_file_and_serves()
    {
        var output = await app.MakeAsync(
            "publish", "single", "-p:PublishSingleFile=true", "--self-contained", "false");
        Assert.False(File.Exists(Path.Combine(output, "App.dll")));
        await AssertServesAsync(Path.Combine(output, "App"), [], _ => { });
    }

    [Fact(Timeout = HangGuard.PackageMilliseconds)]
    public async Task It_is_published_as_native_code_without_a_warning_and_serves()
    {
        Assert.SkipUnless(ToolProcess.IsInstalled("gcc"), "gcc is not installed");
        var output = await app.MakeAsync("publish", "published", "-p:PublishAot=true", "-p:CppCompilerAndLinker=gcc");
        Assert.False(File.Exists(Path.Combine(output, "App.dll")));
        await AssertServesAsync(Path.Combine(output, "App"), [], _ => { });
    }

    private static async Task AssertServesAsync(string tool, string[] arguments, Action<ToolProcess> examine)
    {
        await using var process = ToolProcess.Start(tool, arguments);
        Match match;
        while (!(match = Listening().Match(process.Output)).Success)
        {
            Assert.False(process.HasExited, $"The app has ended: {process.Output} {process.Error}");
            await Task.Delay(20, HangGuard.Token);
        }

        using var http = LoopbackHttpClient.Create(new Uri($"http://{match.Groups[1].Value}"), ClientProtocol.Http1);
        Assert.Equal("2 loops", await http.GetStringAsync("/loops", HangGuard.Token));

        using var client = await RawClient.ConnectAsync(IPEndPoint.Parse(match.Groups[2].Value));
        await client.SendAsync("one\ntwo\n");
        client.ShutdownSend();
        Assert.Equal("one\ntwo\n", await client.ReceiveTextToEndAsync());
        examine(process);
        Assert.Equal(0, (await process.StopAsync()).AssertSuccess().ExitCode);
    }

    // What the process has mapped is what it loaded, wherever the host found it.
    private static void AssertPrecompiled(ToolProcess process)
    {
        var files = File.ReadLines($"/proc/{process.Id}/maps")
            .Select(line => line[(line.LastIndexOf(' ') + 1)..])
            .Where(path => Path.GetFileName(path).StartsWith("KestrelEventLoopTransport", StringComparison.Ordinal))
            .Distinct()
            .ToList();
        Assert.Equal(2, files.Count);
        Assert.All(files, file =>
        {
            using var stream = File.OpenRead(file);
            Assert.True(IsPrecompiled(stream), $"{file} has no precompiled code");
        });
    }

    private static bool IsPrecompiled(Stream assembly)
    {
        assembly.Position = 0;
        using var reader = new PEReader(assembly, PEStreamOptions.LeaveOpen);
        return reader.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0;
    }

    [GeneratedRegex(@"Listening: (\S+) (\S+)\s")]
    private static partial Regex Listening();
}
