using System.Net;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Packages;

/// <summary>An app that has nothing but the packages, published in each way. A warning fails.</summary>
[Slow]
[Collection<PackageSuite>]
[Trait("Poller", "epoll")]
public sealed partial class PublishTests(PackedApp app)
{
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

    [Fact(Timeout = HangGuard.PackageMilliseconds)]
    public async Task It_is_published_with_precompiled_code_of_its_own_and_loads_that_of_the_packages()
    {
        var output = await PublishAsync("ready-to-run", "-p:PublishReadyToRun=true", "--self-contained", "false");
        await AssertServesAsync(Path.Combine(output, "App"), [], AssertPrecompiled);
    }

    [Fact(Explicit = true, Timeout = HangGuard.PackageMilliseconds)]
    public async Task It_is_published_with_its_runtime_and_serves()
    {
        var output = await PublishAsync("self-contained", "-p:PublishReadyToRun=true", "--self-contained", "true");
        await AssertServesAsync(Path.Combine(output, "App"), [], AssertPrecompiled);
    }

    // Trimming writes the assemblies anew, without the code of the packages' images. PublishTrimmed alone makes an app
    // that does not start with this SDK (10.0.401), on the stock transport either: X509Certificate2Collection lacks
    // what Kestrel uses.
    [Fact(Explicit = true, Timeout = HangGuard.PackageMilliseconds)]
    public async Task It_is_trimmed_into_a_single_file_with_precompiled_code_and_serves()
    {
        var output = await PublishAsync(
            "single-trimmed", "-p:PublishSingleFile=true", "-p:PublishTrimmed=true", "-p:PublishReadyToRun=true",
            "--self-contained", "true");
        Assert.False(File.Exists(Path.Combine(output, "App.dll")));
        await AssertServesAsync(Path.Combine(output, "App"), [], _ => { });
    }

    private Task<string> PublishAsync(string output, params string[] options)
        => app.MakeAsync("publish", output, [
            "--runtime", RuntimeInformation.RuntimeIdentifier, "-p:TrimmerSingleWarn=false", .. options]);

    private static async Task AssertServesAsync(string tool, string[] arguments, Action<ToolProcess> examine)
    {
        await using var process = ToolProcess.Start(tool, arguments);
        var match = await process.UntilWrittenAsync(Listening());
        using var http = LoopbackHttpClient.Create(new Uri($"http://{match.Groups[1].Value}"), ClientProtocol.Http1);
        Assert.Equal("2 loops", await http.GetStringAsync("/loops", HangGuard.Token));

        using var client = await RawClient.ConnectAsync(IPEndPoint.Parse(match.Groups[2].Value));
        await client.SendAsync("one\ntwo\n");
        client.ShutdownSend();
        Assert.Equal("one\ntwo\n", await client.ReceiveTextToEndAsync());
        examine(process);
        (await process.StopAsync()).AssertSuccess();
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
            Assert.True(Precompiled.IsCode(stream), $"{file} has no precompiled code");
        });
    }

    [GeneratedRegex(@"Listening: (\S+) (\S+)\s")]
    private static partial Regex Listening();
}
