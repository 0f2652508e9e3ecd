using System.Globalization;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.IntegrationTests.Server;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>The sample RollingRestart, in processes of its own, under wrk.</summary>
[Trait("Poller", "epoll")]
[Slow]
public sealed partial class RestartTests
{
    public static MatrixTheoryData<AcceptMode, bool> Loads { get; } = new(Enum.GetValues<AcceptMode>(), [true, false]);

    // Every request is answered, whoever answers it.
    [Theory(Timeout = 4 * HangGuard.Milliseconds)]
    [MemberData(nameof(Loads))]
    public Task No_request_fails_across_rolling_restarts(AcceptMode mode, bool closes)
        => RestartUnderLoadAsync(mode, closes, restarts: 3, pause: 20);

    // By hand: CONTRIBUTING.md.
    [Theory(Explicit = true, Timeout = 8 * HangGuard.Milliseconds)]
    [MemberData(nameof(Loads))]
    public Task No_request_fails_across_twenty_rolling_restarts(AcceptMode mode, bool closes)
        => RestartUnderLoadAsync(mode, closes, restarts: 20, pause: 0);

    [Fact(Timeout = HangGuard.BulkMilliseconds)]
    public async Task Without_the_option_a_second_process_is_told_that_the_address_is_in_use()
    {
        foreach (var mode in Enum.GetValues<AcceptMode>())
        {
            var url = $"http://127.0.0.1:{FreePort.Next()}";
            await using var first = await StartAsync(url, mode, "--Exclusive=true");

            foreach (var second in Enum.GetValues<AcceptMode>())
            {
                var refused = await ToolProcess.RunAsync("dotnet", Arguments(url, second, "--Exclusive=true"));

                Assert.NotEqual(0, refused.ExitCode);
                Assert.Contains(
                    $"Failed to bind to address {url}: address already in use",
                    refused.Output + refused.Error,
                    StringComparison.Ordinal);
            }
        }
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task Socket_activation_serves_the_connection_that_started_the_process()
    {
        var port = FreePort.Next();
        await using var systemd = ToolProcess.Start(
            "systemd-socket-activate",
            ["-l", $"127.0.0.1:{port}", "--fdname=web", "dotnet",
            .. Arguments("http://127.0.0.1:0", AcceptMode.SharedListener)]);
        using var client = LoopbackHttpClient.Create(new Uri($"http://127.0.0.1:{port}"), ClientProtocol.Http1);
        string? answer = null;
        while (answer is null)
        {
            try
            {
                answer = await client.GetStringAsync("/", HangGuard.Token);
            }
            catch (HttpRequestException) when (!systemd.HasExited)
            {
                // The tool does not listen yet.
                await Task.Delay(20, HangGuard.Token);
            }
        }

        // The tool becomes the server: the process is the same.
        Assert.Equal($"Answered by process {systemd.Id}", answer);
        (await systemd.StopAsync()).AssertSuccess();
    }

    /// <param name="pause">What each connection waits before a request, in milliseconds.</param>
    private static async Task RestartUnderLoadAsync(AcceptMode mode, bool closes, int restarts, int pause)
    {
        using var script = new TemporaryFile(pause == 0 ? "" : $"function delay() return {pause} end");
        var url = $"http://127.0.0.1:{FreePort.Next()}";
        var server = await StartAsync(url, mode);
        try
        {
            string[] header = closes ? ["-H", "Connection: close"] : [];
            await using var load = ToolProcess.Start(
                "wrk", ["-t2", "-c32", "-d10m", "--timeout", "60s", "-s", script.Path, .. header, url + "/"]);
            for (var restart = 0; restart < restarts; restart++)
            {
                var next = await StartAsync(url, mode);
                (await server.StopAsync()).AssertSuccess();
                await server.DisposeAsync();
                server = next;
            }

            // wrk reports when it is interrupted.
            var output = (await load.StopAsync("INT")).AssertSuccess().Output;
            Assert.DoesNotContain("Socket errors", output, StringComparison.Ordinal);
            Assert.DoesNotContain("Non-2xx", output, StringComparison.Ordinal);
            Assert.True(
                int.Parse(Requests().Match(output).Groups[1].Value, CultureInfo.InvariantCulture) > 1000, output);
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    private static async Task<ToolProcess> StartAsync(string url, AcceptMode mode, params string[] more)
    {
        var server = ToolProcess.Start("dotnet", Arguments(url, mode, more));
        while (!server.Output.Contains("listens", StringComparison.Ordinal))
        {
            Assert.False(server.HasExited, server.Output + server.Error);
            await Task.Delay(10, HangGuard.Token);
        }

        return server;
    }

    private static string[] Arguments(string url, AcceptMode mode, params string[] more)
        =>
        [
            SamplePath(),
            "--urls", url,
            $"--Kestrel:EventLoopTransport:AcceptMode={mode}",
            "--Kestrel:EventLoopTransport:EventLoopCount=3",

            // Far more than the default: the processor may be taken from the clients for most of it.
            "--Kestrel:EventLoopTransport:TakeoverPeriod=00:00:04",
            .. more,
        ];

    // Beside this project's own output: test/{project}/bin/{configuration}/{framework}/.
    private static string SamplePath()
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory);
        var root = output.Parent!.Parent!.Parent!.Parent!.Parent!;
        return Path.Combine(
            root.FullName, "samples", "RollingRestart", "bin", output.Parent.Name, output.Name, "RollingRestart.dll");
    }

    [GeneratedRegex(@"(\d+) requests in")]
    private static partial Regex Requests();
}
