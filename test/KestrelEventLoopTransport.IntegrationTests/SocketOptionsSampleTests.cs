using System.Net;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>The sample of socket options as a process of its own, seen by curl, ss and strace.</summary>
[Trait("Poller", "epoll")]
public sealed partial class SocketOptionsSampleTests
{
    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task It_prints_what_the_kernel_reports_and_shares_its_ports()
    {
        var (port, hookPort, configuredPort) = (FreePort.Next(), FreePort.Next(), FreePort.Next());
        string[] arguments =
        [
            $"--port={port}",
            $"--hook-port={hookPort}",
            $"--Kestrel:Endpoints:FromConfiguration:Url=http://127.0.0.1:{configuredPort}",
        ];
        await using var first = StartSample(arguments);
        await WaitUntilServedAsync(first, configuredPort);
        await WaitAsync(first, () => IsShown(first, port) && IsShown(first, hookPort));
        foreach (var own in new[] { port, hookPort })
        {
            var listening = Section(first.Output, $"listening on 127.0.0.1:{own}");
            Assert.Equal("1", listening["SO_REUSEPORT"]);
            Assert.Equal("60", listening["TCP_KEEPIDLE"]);
            var accepted = Section(await GetAsync(own), $"accepted on port {own}");
            Assert.Equal("1", accepted["SO_REUSEPORT"]);
            Assert.Equal("1", accepted["TCP_NODELAY"]);
            Assert.Equal("1", accepted["SO_KEEPALIVE"]);
            Assert.Equal("0", accepted["TCP_USER_TIMEOUT"]);
        }

        var configured = Section(await GetAsync(configuredPort), $"accepted on port {configuredPort}");
        Assert.Equal("1", configured["SO_REUSEPORT"]);
        Assert.Equal("131072", configured["SO_SNDBUF"]);
        Assert.Equal("30000", configured["TCP_USER_TIMEOUT"]);

        var client = await GetAsync(port, "/client");
        var connecting = Section(client, $"connecting to 127.0.0.1:{port}");
        Assert.Equal("0", connecting["TCP_QUICKACK"]);
        Assert.Equal("90", connecting["TCP_KEEPIDLE"]);
        Assert.Equal("90", Section(client, $"connected to 127.0.0.1:{port}")["TCP_KEEPIDLE"]);

        await using var second = StartSample(arguments);
        await WaitAsync(second, () => second.Output.Contains($"listening on [::1]:{hookPort}", StringComparison.Ordinal)
            || second.Output.Contains($"listening on 127.0.0.1:{hookPort}", StringComparison.Ordinal));
        Assert.False(second.HasExited, second.Error);
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task What_ss_shows_agrees()
    {
        var port = FreePort.Next();
        await using var sample = StartSample(
            [
                $"--port={FreePort.Next()}",
                $"--hook-port={FreePort.Next()}",
                $"--Kestrel:Endpoints:FromConfiguration:Url=http://127.0.0.1:{port}",
                "--Kestrel:EventLoopTransport:Tcp:CongestionControl=reno",
                "--Kestrel:EventLoopTransport:Tcp:MaximumSegmentSize=500",
                "--Kestrel:EventLoopTransport:TypeOfService=40",
                "--Kestrel:EventLoopTransport:Backlog=17",
            ]);
        await WaitUntilServedAsync(sample, port);
        using var client = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));

        var listening = await ToolProcess.RunAsync("ss", "-Htlnm", $"sport = :{port}");
        Assert.Equal(0, listening.ExitCode);
        Assert.Matches(@"^LISTEN\s+[0-9]+\s+17\s", listening.Output);
        Assert.Contains("tb131072", listening.Output, StringComparison.Ordinal);

        // The one that curl made may still be in TIME_WAIT.
        var accepted = "";
        while (!accepted.Contains("timer:(keepalive,", StringComparison.Ordinal))
        {
            var established = await ToolProcess.RunAsync(
                "ss", "-Htinom", "--tos", "state", "established", $"sport = :{port}");
            Assert.Equal(0, established.ExitCode);
            accepted = established.Output;
            HangGuard.Token.ThrowIfCancellationRequested();
        }

        Assert.Contains(" reno ", accepted, StringComparison.Ordinal);
        Assert.Contains("mss:488", accepted, StringComparison.Ordinal);
        Assert.Contains("tb131072", accepted, StringComparison.Ordinal);
        Assert.Contains("tos:0x28", accepted, StringComparison.Ordinal);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [InlineData(
        "--Kestrel:EventLoopTransport:Backlogg=1",
        "Kestrel:EventLoopTransport:Backlogg is not an option of the event-loop transport.")]
    [InlineData(
        "--Kestrel:EventLoopTransport:Backlog=0",
        "EventLoopTransportOptions.EndpointDefaults.Backlog is 0; it must be from 1 to 2147483647.")]
    [InlineData(
        "--Kestrel:EventLoopTransport:Endpoints:FromConfiguration:Tcp:UserTimeout=00:00:00.0001",
        "EndpointOptions.Tcp.UserTimeout of Kestrel:EventLoopTransport:Endpoints:FromConfiguration is "
            + "00:00:00.0001000; it must be a whole number of milliseconds from 1 to 2147483647.")]
    public async Task A_wrong_key_or_value_stops_it_with_a_message(string argument, string message)
    {
        var result = await ToolProcess.RunAsync(
            "dotnet", SamplePath(), $"--port={FreePort.Next()}", $"--hook-port={FreePort.Next()}", argument);

        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
    }

    // The price of what nobody asked for: no system call for an accepted socket but the ones it always had.
    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task Accepted_sockets_cost_no_setsockopt_unless_it_was_asked_for()
    {
        Assert.Equal((20, 0), await CountAsync([]));
        Assert.Equal((20, 20), await CountAsync(["--Kestrel:EventLoopTransport:Tcp:QuickAck=true"]));

        static async Task<(int Accepted, int Options)> CountAsync(string[] arguments)
        {
            var port = FreePort.Next();
            var trace = Path.Combine(Path.GetTempPath(), $"kelt-{Guid.NewGuid()}.strace");
            try
            {
                var plaintext = typeof(Program).Assembly.Location;
                await using (var process = ToolProcess.Start(
                    "strace",
                    ["-f", "-qq", "-o", trace, "-e", "trace=accept4,setsockopt", "dotnet", plaintext,
                        $"--urls=http://127.0.0.1:{port}", .. arguments]))
                {
                    await WaitAsync(process, () => process.Output.Contains("Listening on", StringComparison.Ordinal));
                    for (var i = 0; i < 20; i++)
                    {
                        using var client = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
                        await client.SendAsync("GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n");
                        await client.ReceiveThroughAsync("Hello, World!");
                    }
                }

                var lines = await File.ReadAllLinesAsync(trace, HangGuard.Token);
                var firstAccept = Array.FindIndex(lines, static line => AcceptedLine().IsMatch(line));
                return (
                    lines.Count(static line => AcceptedLine().IsMatch(line)),
                    lines.Skip(firstAccept)
                        .Count(static line => line.Contains("setsockopt(", StringComparison.Ordinal)));
            }
            finally
            {
                File.Delete(trace);
            }
        }
    }

    // The call's own line, or the second half of it if another thread's came in between.
    [GeneratedRegex(@"accept4[ (].* = [0-9]+$")]
    private static partial Regex AcceptedLine();

    [GeneratedRegex(@"^  (\S+) +(\S+)\r?$", RegexOptions.Multiline)]
    private static partial Regex OptionLine();

    /// <summary>Whether the output has come so far, with the last line that is read of it.</summary>
    private static bool IsShown(ToolProcess sample, int port)
    {
        var output = sample.Output;
        var start = output.IndexOf($"listening on 127.0.0.1:{port}", StringComparison.Ordinal);
        return start >= 0 && Section(output[start..], "listening on").ContainsKey("TCP_USER_TIMEOUT");
    }

    private static Dictionary<string, string> Section(string text, string title)
    {
        var start = text.IndexOf(title, StringComparison.Ordinal);
        Assert.True(start >= 0, $"No '{title}' in: {text}");
        var result = new Dictionary<string, string>();
        foreach (var line in text[start..].Split('\n').Skip(1).TakeWhile(
            static line => line.StartsWith("  ", StringComparison.Ordinal)))
        {
            var match = OptionLine().Match(line);
            result[match.Groups[1].Value] = match.Groups[2].Value;
        }

        return result;
    }

    private static ToolProcess StartSample(string[] arguments)
        => ToolProcess.Start("dotnet", [SamplePath(), .. arguments]);

    // The build makes the sample beside the tests.
    private static string SamplePath() => Path.Combine(
        AppContext.BaseDirectory.Replace(
            "/test/KestrelEventLoopTransport.IntegrationTests/", "/samples/SocketOptions/", StringComparison.Ordinal),
        "SocketOptions.dll");

    private static async Task<string> GetAsync(int port, string path = "/")
    {
        using var client = LoopbackHttpClient.Create(new Uri($"http://127.0.0.1:{port}"), ClientProtocol.Http1);
        return await client.GetStringAsync(path, HangGuard.Token);
    }

    private static Task WaitUntilServedAsync(ToolProcess process, int port)
        => WaitAsync(process, () => RawClient.CanConnectAsync(new IPEndPoint(IPAddress.Loopback, port)));

    private static Task WaitAsync(ToolProcess process, Func<bool> condition)
        => WaitAsync(process, () => Task.FromResult(condition()));

    private static async Task WaitAsync(ToolProcess process, Func<Task<bool>> condition)
    {
        while (!await condition())
        {
            Assert.False(process.HasExited, process.Output + process.Error);
            await Task.Delay(20, HangGuard.Token);
        }
    }
}
