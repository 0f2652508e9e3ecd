using System.Globalization;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.Framing;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>The samples that speak protocols of their own, with the tools that people use for these.</summary>
[Trait("Poller", "epoll")]
[Slow]
public sealed class FrameSampleTests
{
    public static TheoryData<string> Transports => ["eventloop", "sockets"];

    [Theory(Timeout = HangGuard.Milliseconds)]
    [MemberData(nameof(Transports))]
    public async Task Nc_gets_its_lines_back(string transport)
    {
        await ToolProcess.RunAsync("nc", "-h");
        await using var echo = await SampleProcess.StartAsync("Echo", "--transport", transport);
        var result = await ToolProcess.RunAsync(
            "sh", "-c", $"(printf 'one\\ntwo\\r\\n'; seq 10000) | nc -N 127.0.0.1 {echo.Port}");

        var expected = string.Concat(Enumerable.Range(1, 10_000).Select(static i => $"{i}\n"));
        Assert.Equal("one\ntwo\n" + expected, result.AssertSuccess().Output);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [MemberData(nameof(Transports))]
    public async Task Redis_cli_gets_the_answers_that_redis_gives(string transport)
    {
        await using var redis = await SampleProcess.StartAsync("RedisLite", "--transport", transport);

        Assert.Equal("PONG", await RunAsync("PING"));
        Assert.Equal("\"hello\"", await RunAsync("PING", "hello"));
        Assert.Equal("\"two words\"", await RunAsync("ECHO", "two words"));
        Assert.Equal("OK", await RunAsync("SET", "greeting", "hello"));
        Assert.Equal("\"hello\"", await RunAsync("GET", "greeting"));
        Assert.Equal("(nil)", await RunAsync("GET", "nothing"));
        Assert.Equal("(integer) 1", await RunAsync("INCR", "counter"));
        Assert.Equal("(integer) 2", await RunAsync("INCR", "counter"));
        Assert.Equal("(error) ERR value is not an integer or out of range", await RunAsync("INCR", "greeting"));
        Assert.Equal("OK", await RunAsync("SET", "large", "9223372036854775807"));
        Assert.Equal("(error) ERR value is not an integer or out of range", await RunAsync("INCR", "large"));
        Assert.Equal("(integer) 2", await RunAsync("DEL", "greeting", "counter", "nothing"));
        Assert.Equal("(nil)", await RunAsync("GET", "greeting"));
        Assert.Equal("(error) ERR wrong number of arguments for 'get' command", await RunAsync("GET"));
        Assert.Equal("(error) ERR syntax error", await RunAsync("SET", "k", "v", "SOON"));
        Assert.Equal("(error) ERR value is not an integer or out of range", await RunAsync("SET", "k", "v", "EX", "x"));
        Assert.Equal("(error) ERR invalid expire time in 'set' command", await RunAsync("SET", "k", "v", "EX", "0"));
        Assert.StartsWith(
            "(error) ERR unknown command 'FLUSHALL'", await RunAsync("FLUSHALL"), StringComparison.Ordinal);

        var large = new string('v', 200_000);
        Assert.Equal("OK", await RunAsync("SET", "long", large[..100_000]));
        Assert.Equal($"\"{large[..100_000]}\"", await RunAsync("GET", "long"));

        async Task<string> RunAsync(params string[] command)
        {
            var result = await ToolProcess.RunAsync(
                "redis-cli", ["-p", redis.Port.ToString(CultureInfo.InvariantCulture), "--no-raw", .. command]);
            return result.AssertSuccess().Output.TrimEnd();
        }
    }

    /// <summary>As redis-server 7 answers. After an error it closes the connection.</summary>
    [Theory(Timeout = HangGuard.Milliseconds)]
    [InlineData("*-1\r\n*0\r\nPING\r\n", "+PONG\r\n")]
    [InlineData("PING\r\n*x\r\nPING\r\n", "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n")]
    [InlineData("*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'\r\n")]
    [InlineData("*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n")]
    [InlineData("*1\r\n$4x\r\n", "-ERR Protocol error: invalid bulk length\r\n")]
    public async Task What_is_no_command_is_answered_as_by_redis(string sent, string answer)
    {
        await using var redis = await SampleProcess.StartAsync("RedisLite");
        using var client = await RawClient.ConnectAsync(redis.EndPoint);
        await client.SendAsync(sent);
        client.ShutdownSend();
        Assert.Equal(answer, await client.ReceiveTextToEndAsync());
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task What_has_expired_is_gone()
    {
        await using var redis = await SampleProcess.StartAsync("RedisLite");
        var port = redis.Port.ToString(CultureInfo.InvariantCulture);
        await ToolProcess.RunAsync("redis-cli", "-p", port, "SET", "kept", "a", "EX", "10000");
        await ToolProcess.RunAsync("redis-cli", "-p", port, "SET", "short", "b", "PX", "1");
        while ((await ToolProcess.RunAsync("redis-cli", "-p", port, "--no-raw", "GET", "short"))
            .AssertSuccess().Output != "(nil)\n")
        {
        }

        Assert.Equal(
            "\"a\"\n", (await ToolProcess.RunAsync("redis-cli", "-p", port, "--no-raw", "GET", "kept")).Output);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [MemberData(nameof(Transports))]
    public async Task Redis_benchmark_runs_pipelined_and_loses_nothing(string transport)
    {
        await using var redis = await SampleProcess.StartAsync("RedisLite", "--transport", transport);
        var port = redis.Port.ToString(CultureInfo.InvariantCulture);
        var result = await ToolProcess.RunAsync(
            "redis-benchmark", "-p", port, "-n", "20000", "-P", "16", "-c", "20", "-t", "set,get,incr", "-q");
        Assert.Equal(3, result.AssertSuccess().Output.Split("requests per second").Length - 1);
        Assert.Equal(
            "20000\n", (await ToolProcess.RunAsync("redis-cli", "-p", port, "GET", "counter:__rand_int__")).Output);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [MemberData(nameof(Transports))]
    public async Task What_is_said_in_the_chat_is_told_and_a_dead_peer_is_dropped(string transport)
    {
        await using var chat = await SampleProcess.StartAsync("Chat", "--transport", transport, "--heartbeat", "2");
        var codec = FrameCodec.LengthPrefixed(1024, prefixSize: 2);
        using var listener = await RawClient.ConnectAsync(chat.EndPoint);
        using var dead = await RawClient.ConnectAsync(chat.EndPoint);
        using var stream = new NetworkStream(listener.Socket);
        var reader = new FrameReader(PipeReader.Create(stream), codec);
        var writer = new FrameWriter(PipeWriter.Create(stream), codec);

        // One who goes at once does not hear what is told afterwards: this one stays until it has heard itself.
        var client = ToolProcess.RunAsync("sh", "-c", $"""
            heard=$(mktemp)
            (echo hello; for i in $(seq 300); do grep -q ': hello' $heard && break; sleep 0.1; done) \
                | dotnet {SampleProcess.PathOf("Chat")} --connect 127.0.0.1:{chat.Port} > $heard
            code=$?
            cat $heard
            rm $heard
            exit $code
            """);
        var heard = new List<string>();
        string[] expected = [": hello", " has gone", " has gone: The peer does not answer."];
        bool WasHeard(string end) => heard.Exists(message => message.EndsWith(end, StringComparison.Ordinal));
        await foreach (var frame in reader)
        {
            heard.Add(Encoding.UTF8.GetString(frame));
            if (frame.IsEmpty)
            {
                await writer.WriteAsync(ReadOnlyMemory<byte>.Empty, HangGuard.Token);
            }

            if (expected.All(WasHeard))
            {
                break;
            }
        }

        Assert.All(expected, end => Assert.True(WasHeard(end), $"Nobody said '…{end}': {string.Join(" | ", heard)}"));
        Assert.Contains(": hello", (await client).AssertSuccess().Output, StringComparison.Ordinal);
        await dead.ReceiveUntilGoneAsync();

        // The one who has answered is still there.
        await writer.WriteAsync("still here"u8.ToArray(), HangGuard.Token);
        while (await reader.WaitToReadAsync(HangGuard.Token))
        {
            if (reader.TryRead(out var frame)
                && Encoding.UTF8.GetString(frame).EndsWith(": still here", StringComparison.Ordinal))
            {
                return;
            }
        }

        Assert.Fail("The connection has ended.");
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_chat_cuts_a_long_message_between_two_characters()
    {
        await using var chat = await SampleProcess.StartAsync("Chat");
        var codec = FrameCodec.LengthPrefixed(1024, prefixSize: 2);
        using var client = await RawClient.ConnectAsync(chat.EndPoint);
        using var stream = new NetworkStream(client.Socket);
        var reader = new FrameReader(PipeReader.Create(stream), codec);
        var writer = new FrameWriter(PipeWriter.Create(stream), codec);

        // Whatever the name in front of it takes, one of these is cut within a character.
        var utf8 = new UTF8Encoding(false, throwOnInvalidBytes: true);
        for (var i = 0; i < 3; i++)
        {
            await writer.WriteAsync(utf8.GetBytes(new string('x', i) + new string('€', 340)), HangGuard.Token);
        }

        for (var heard = 0; heard < 3;)
        {
            Assert.True(await reader.WaitToReadAsync(HangGuard.Token));
            while (reader.TryRead(out var frame))
            {
                var message = utf8.GetString(frame);
                heard += message.EndsWith('€') ? 1 : 0;
            }
        }
    }
}
