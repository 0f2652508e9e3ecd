using System.Net;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>The README's Dockerfile. No engine is needed: what it would run runs here.</summary>
[Trait("Poller", "epoll")]
public sealed partial class ContainerRecipeTests
{
    private const string Recipe = "In a container";

    private static string Dockerfile => Readme.Block(Recipe, "dockerfile");

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_Dockerfile_is_that_of_the_sample_and_its_command_serves_the_port_that_it_exposes()
    {
        var kept = Repository.PathOf("samples", "Plaintext", "Dockerfile");
        Assert.Equal(Dockerfile, await File.ReadAllTextAsync(kept, HangGuard.Token));
        Assert.Equal("artifacts/plaintext", PublishedTo());

        // The build's output has the program of the same name.
        await RunAsync(Path.GetDirectoryName(SampleProcess.PathOf("Plaintext"))!);
    }

    [Fact(Timeout = HangGuard.PackageMilliseconds, Explicit = true)]
    public async Task What_the_Dockerfile_publishes_runs_without_an_installed_runtime()
    {
        var directory = Directory.CreateTempSubdirectory("container-");
        try
        {
            // Not into the tree, whose builds would start anew.
            var app = Path.Combine(directory.FullName, "app");
            var command = Publish().Match(Dockerfile).Groups[1].Value.With(PublishedTo(), app);
            (await ToolProcess.RunAsync(
                "bash",
                "-c",
                $"cd '{Repository.Root}' && {command} --artifacts-path {directory.FullName}/build -nodeReuse:false"
                + " -p:UseSharedCompilation=false -v quiet")).AssertSuccess();
            Assert.True(File.Exists(Path.Combine(app, "libcoreclr.so")));
            await RunAsync(app);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static async Task RunAsync(string directory)
    {
        var entry = Instruction("ENTRYPOINT").With("[\"/app/", "").With("\"]", "");
        var exposed = Instruction("EXPOSE");
        var port = FreePort.Next();
        await using var app = ToolProcess.Start(
            "env",
            Instruction("ENV").With(exposed, $"{port}"),
            Path.Combine(directory, entry));
        await app.UntilWrittenAsync(new Regex(Regex.Escape($"Listening on http://[::]:{port}")));
        using var client = LoopbackHttpClient.Create(
            new Uri($"http://{IPAddress.Loopback}:{port}"), ClientProtocol.Http1);
        Assert.Equal("Hello, World!", await client.GetStringAsync("/plaintext", HangGuard.Token));
        (await app.StopAsync()).AssertSuccess();
    }

    private static string Instruction(string name)
    {
        var line = Assert.Single(
            Dockerfile.Split('\n'), line => line.StartsWith(name + " ", StringComparison.Ordinal));
        return line[(name.Length + 1)..];
    }

    // Where the first command puts the app, and the second one takes its context from.
    private static string PublishedTo()
    {
        var path = Output().Match(Publish().Match(Dockerfile).Groups[1].Value).Groups[1].Value;
        var build = $"docker build -f samples/Plaintext/Dockerfile -t plaintext {path}\n";
        Assert.Contains(build, Dockerfile, StringComparison.Ordinal);
        return path;
    }

    [GeneratedRegex("^# (dotnet publish .+)$", RegexOptions.Multiline)]
    private static partial Regex Publish();

    [GeneratedRegex(@"-o (\S+)")]
    private static partial Regex Output();
}
