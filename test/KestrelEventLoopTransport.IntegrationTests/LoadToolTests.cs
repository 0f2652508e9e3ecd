using System.Text.RegularExpressions;
using KestrelEventLoopTransport.IntegrationTests.Server;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>wrk and h2load: many connections at once, and not one error among the answers.</summary>
[Slow]
public sealed partial class LoadToolTests
{
    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Wrk_gets_only_right_answers(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var script = new WrkScript(pipelined: 1);

        await AssertEveryAnswerIsRightAsync(
            "-t2", "-c64", "-d1s", "--timeout", "30s", "-s", script.Path, server.Url(ClientProtocol.Http1, "/"));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Wrk_gets_only_right_answers_to_16_pipelined_requests(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var script = new WrkScript(pipelined: 16);

        await AssertEveryAnswerIsRightAsync(
            "-t2", "-c32", "-d1s", "--timeout", "30s", "-s", script.Path, server.Url(ClientProtocol.Http1, "/"));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EveryScheduling>]
    public async Task Wrk_gets_only_right_answers_over_TLS(ApplicationScheduling scheduling)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, 2);
        using var script = new WrkScript(pipelined: 1);

        await AssertEveryAnswerIsRightAsync(
            "-t2", "-c32", "-d1s", "--timeout", "30s",
            "-s", script.Path, server.Url(ClientProtocol.Http1OverTls, "/"));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task H2load_gets_an_answer_of_the_right_length_to_every_request(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        const int Requests = 8_000;
        await using var server = await ProtocolServer.StartAsync(scheduling, 2);
        string[] options = protocol switch
        {
            ClientProtocol.Http1 => ["--h1", "-c32"],
            ClientProtocol.Http1OverTls => ["--npn-list=http/1.1", "-c32"],
            _ => ["-c8", "-m32"],
        };

        var result = await ToolProcess.RunAsync(
            "h2load", ["-t1", $"-n{Requests}", .. options, server.Url(protocol, "/plaintext")]);

        var output = result.AssertSuccess().Output;
        Assert.Contains(
            $"requests: {Requests} total, {Requests} started, {Requests} done, {Requests} succeeded, 0 failed, 0 "
                + $"errored, 0 timeout",
            output,
            StringComparison.Ordinal);
        Assert.Contains($"status codes: {Requests} 2xx, 0 3xx, 0 4xx, 0 5xx", output, StringComparison.Ordinal);
        var bytes = Requests * "Hello, World!".Length;
        Assert.Contains($"({bytes}) data", output, StringComparison.Ordinal);
    }

    private static async Task AssertEveryAnswerIsRightAsync(params IEnumerable<string> wrk)
    {
        Match counts;
        do
        {
            var output = (await ToolProcess.RunAsync("wrk", wrk)).AssertSuccess().Output;
            Assert.DoesNotContain("Socket errors", output, StringComparison.Ordinal);
            Assert.DoesNotContain("Non-2xx", output, StringComparison.Ordinal);
            counts = WrkCounts().Match(output);
            Assert.True(counts.Success, output);
            Assert.Equal("0", counts.Groups["wrong"].Value);
        }
        while (counts.Groups["right"].Value is "0");
    }

    [GeneratedRegex(@"right answers: (?<right>\d+), wrong answers: (?<wrong>\d+)")]
    private static partial Regex WrkCounts();
}
