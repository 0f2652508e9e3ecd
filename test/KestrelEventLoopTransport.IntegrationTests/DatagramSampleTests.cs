using System.Globalization;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>The samples that serve datagrams, with the tools that people use for these.</summary>
[Trait("Poller", "epoll")]
[Slow]
public sealed class DatagramSampleTests
{
    [Theory(Timeout = HangGuard.Milliseconds)]
    [InlineData("www.example.test a", "192.0.2.10\n192.0.2.11\n")]
    [InlineData("WWW.Example.TEST aaaa", "2001:db8::10\n")]
    [InlineData("text.example.test txt", "\"an answer\"\n")]
    [InlineData("example.test ns", "ns1.example.test.\n")]
    [InlineData("example.test soa", "ns1.example.test. hostmaster.example.test. 1 3600 600 86400 300\n")]
    public async Task Dig_gets_the_records_over_UDP_and_over_TCP(string question, string answer)
    {
        await using var dns = await StartDnsAsync();

        Assert.Equal(answer, (await DigAsync(dns, $"{question} +short +notcp")).AssertSuccess().Output);
        Assert.Equal(answer, (await DigAsync(dns, $"{question} +short +tcp")).AssertSuccess().Output);
        Assert.Equal(answer, (await DigAsync(dns, $"{question} +short +noedns")).AssertSuccess().Output);
        Assert.Equal(answer, (await DigAsync(dns, $"{question} +short", "::1")).AssertSuccess().Output);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [InlineData("none.example.test a", "NXDOMAIN", "AUTHORITY: 1")]
    [InlineData("text.example.test a", "NOERROR", "ANSWER: 0, AUTHORITY: 1")]
    [InlineData("example.com a", "REFUSED", "ANSWER: 0, AUTHORITY: 0")]
    [InlineData("example.test a +opcode=notify", "NOTIMP", "QUERY: 0")]
    public async Task Dig_is_told_what_there_is_not(string question, string status, string counts)
    {
        await using var dns = await StartDnsAsync();

        var output = (await DigAsync(dns, question)).Output;

        Assert.Contains($"status: {status}", output, StringComparison.Ordinal);
        Assert.Contains(counts, output, StringComparison.Ordinal);
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task An_answer_that_is_too_long_for_a_datagram_comes_by_TCP()
    {
        await using var dns = await StartDnsAsync();

        var truncated = (await DigAsync(dns, "long.example.test txt +ignore")).AssertSuccess().Output;
        var whole = (await DigAsync(dns, "long.example.test txt")).AssertSuccess().Output;

        Assert.Contains("flags: qr aa tc rd; QUERY: 1, ANSWER: 0", truncated, StringComparison.Ordinal);
        Assert.Contains("Truncated, retrying in TCP mode", whole, StringComparison.Ordinal);
        Assert.Contains("ANSWER: 10", whole, StringComparison.Ordinal);
        Assert.Contains(new string('j', 200), whole, StringComparison.Ordinal);
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task What_is_no_query_gets_no_answer_and_does_no_harm()
    {
        await using var dns = await StartDnsAsync();
        using var client = new UdpClient(AddressFamily.InterNetwork);
        client.Connect(dns.EndPoint);
        client.Send([]);
        client.Send(new byte[11]);

        // A response, a query without a question, one whose name does not end, and one with a pointer.
        client.Send([0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
        client.Send([0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        client.Send([0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 1, 2]);
        client.Send([0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12, 0, 1, 0, 1]);

        for (byte id = 2; id <= 4; id++)
        {
            // FORMERR, without a question.
            var answer = await client.ReceiveAsync(HangGuard.Token);
            Assert.Equal([0, id, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0], answer.Buffer);
        }
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task Dnsperf_loses_no_query()
    {
        await using var dns = await StartDnsAsync();
        using var queries = new TemporaryFile("www.example.test A\nwww.example.test AAAA\nnone.example.test A\n");

        var result = await ToolProcess.RunAsync(
            "dnsperf",
            "-s", "127.0.0.1", "-p", Text(dns.Port), "-d", queries.Path, "-n", "3000", "-q", "20", "-t", "30");

        var output = result.AssertSuccess().Output;
        Assert.Matches(@"Queries completed:\s+9000 \(100\.00%\)", output);
        Assert.Matches(@"Response codes:\s+NOERROR 6000 \(66\.67%\), NXDOMAIN 3000", output);
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task Statistics_that_come_over_UDP_are_shown_over_HTTP()
    {
        var udp = FreePort.Next();
        await using var statsd = await SampleProcess.StartAsync("Statsd", "--udp", Text(udp));
        using var client = new UdpClient();
        client.Connect(IPAddress.Loopback, udp);
        client.Send("visits:1|c\nvisits:2|c|@0.5\nqueue:7|g\n"u8);
        client.Send("queue:-2|g\nquery:10|ms\nquery:30|ms"u8);
        client.Send("no value\nvisits:x|c\nvisits:1|?"u8);

        var output = "";
        await Poll.UntilAsync(
            async () =>
            {
                output = (await Curl.RunAsync($"http://127.0.0.1:{statsd.Port}/")).AssertSuccess().Output;
                return output == "query count 2 mean 20 max 30\nqueue 5\nvisits 5\nstatsd.refused 3\n";
            },
            () => output);
    }

    /// <summary>On one port for both protocols, as dig expects.</summary>
    private static Task<SampleProcess> StartDnsAsync()
        => SampleProcess.StartAsync("Dns", "--port", Text(FreePort.Next()));

    private static Task<ToolResult> DigAsync(SampleProcess dns, string question, string server = "127.0.0.1")
        => ToolProcess.RunAsync("dig", [$"@{server}", "-p", Text(dns.Port), "+time=30", .. question.Split(' ')]);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
