using System.Net;
using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.Tests.Reading;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Tests.Ending;

/// <summary>
/// Clients that send all they have to say and close, without waiting for an answer. A Unix socket tells the server of
/// such a close by EPOLLHUP: it has finished, it is not broken, and what it sent counts.
/// </summary>
[Trait("Contract", "18")]
[Slow]
public sealed class RequestThenCloseTests
{
    private const int Clients = 200;

    public static MatrixTheoryData<ApplicationScheduling, bool> SchedulingsAndSockets
        => new(Enum.GetValues<ApplicationScheduling>(), [true, false]);

    [Theory]
    [MemberData(nameof(SchedulingsAndSockets))]
    public async Task Every_complete_request_is_served_although_the_client_closes_behind_it(
        ApplicationScheduling scheduling, bool unix)
    {
        using var path = new SocketPath();
        var served = 0;
        await using var server = await StartAsync(scheduling, EndPointOf(path, unix), _ =>
        {
            Interlocked.Increment(ref served);
            return Task.CompletedTask;
        });

        for (var i = 0; i < Clients; i++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        }

        await Poll.UntilAsync(() => Volatile.Read(ref served) == Clients, () => $"{served} of {Clients} were served.");
    }

    // Raw, as Kestrel itself ends the body of a request whose client has gone.
    [Theory]
    [MemberData(nameof(SchedulingsAndSockets))]
    public async Task A_reader_that_comes_late_gets_every_byte_and_then_a_clean_end(
        ApplicationScheduling scheduling, bool unix)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(EndPointOf(path, unix));
        for (var i = 0; i < 10; i++)
        {
            await using var pair = await transport.ConnectAsync(listener);
            var closed = Signal.New();
            pair.Connection.ConnectionClosed.Register(() => closed.TrySetResult());
            await pair.Client.SendAsync(Pattern.Create(150_000));
            pair.Client.Dispose();
            await closed.Task.DefaultTimeout();

            Assert.Equal(150_000, await ReaderOutcomeTests.ReadToEndAsync(pair.Input));
        }
    }

    [Theory]
    [MemberData(nameof(SchedulingsAndSockets))]
    public async Task A_read_that_waits_gets_what_came_with_the_close(ApplicationScheduling scheduling, bool unix)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(EndPointOf(path, unix));
        for (var i = 0; i < 50; i++)
        {
            await using var pair = await transport.ConnectAsync(listener);
            var read = ReaderOutcomeTests.ReadToEndAsync(pair.Input);

            pair.Client.Socket.Send(Encoding.ASCII.GetBytes("all of it"));
            pair.Client.Dispose();

            Assert.Equal(9, await read.DefaultTimeout());
        }
    }

    // Each answer to a client that is gone fails, and ends the connection: how many of the ten are served is a race
    // that none of the transports always wins. Nine of ten are far more than those that wait for no one.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Pipelined_requests_are_served_although_the_client_closes_behind_them(
        ApplicationScheduling scheduling)
    {
        const int Pipelined = 10;
        using var path = new SocketPath();
        var served = 0;
        await using var server = await StartAsync(scheduling, EndPointOf(path, unix: true), _ =>
        {
            Interlocked.Increment(ref served);
            return Task.CompletedTask;
        });
        var requests = string.Concat(Enumerable.Repeat("GET / HTTP/1.1\r\nHost: h\r\n\r\n", Pipelined));

        for (var i = 0; i < Clients; i++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync(requests);
        }

        await Poll.UntilAsync(
            () => Volatile.Read(ref served) >= Clients * Pipelined * 9 / 10,
            () => $"{served} of {Clients * Pipelined} were served.");
    }

    private static EndPoint EndPointOf(SocketPath path, bool unix)
        => unix ? new UnixDomainSocketEndPoint(path.Path) : new IPEndPoint(IPAddress.Loopback, 0);

    private static Task<TestServer> StartAsync(ApplicationScheduling scheduling, EndPoint endPoint, RequestDelegate app)
        => TestServer.StartAsync(new TestSettings { Scheduling = scheduling, EndPoint = endPoint, App = app });
}
