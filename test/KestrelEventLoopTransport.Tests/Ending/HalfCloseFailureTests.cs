using System.IO.Pipelines;
using System.Net.Sockets;
using KestrelEventLoopTransport.Tests.Reading;
using KestrelEventLoopTransport.Tests.Writing;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Tests.Ending;

/// <summary>What goes wrong, or takes too long, while one direction has ended.</summary>
[Trait("Contract", "half-close")]
[FailsOnStock("Half-close is an option of ours.")]
public sealed class HalfCloseFailureTests
{
    private static readonly TimeSpan _idle = TimeSpan.FromSeconds(1);

    public static MatrixTheoryData<ApplicationScheduling, bool> Kinds => new(EveryScheduling.Values, [false, true]);

    /// <summary>The application has shut the socket down. The peer is alive, and nobody reads what it sends.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_send_that_fails_does_not_lift_the_limit_of_what_is_held(
        ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix, allows: false);
        ShutDown(server);
        Assert.True((await WriteOutsideAsync(server)).IsCompleted);

        var sends = Record.ExceptionAsync(() => server.Pair.Client.SendAsync(new byte[64_000_000]));
        await Poll.UntilAsync(() => Has(server, "ConnectionPause"));

        server.Pair.Client.Dispose();
        Assert.NotNull(await sends);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Without_the_option_a_send_that_fails_after_the_FIN_leaves_the_descriptor(
        ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix, allows: false);
        server.Pair.Client.ShutdownSend();
        Assert.Equal(0, await ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input));
        ShutDown(server);

        Assert.True((await WriteOutsideAsync(server)).IsCompleted);
        Assert.Equal(1, server.ConnectionCount);
        await server.Pair.Connection.DisposeAsync().DefaultTimeout();
        await server.IsClosedAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_reset_while_the_FIN_waits_for_a_full_socket_is_a_reset(ApplicationScheduling scheduling)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix: false);
        var (connection, client) = server.Pair;
        _ = await BackPressureTests.WriteUntilPendingAsync(server.Pair.Output, 16 * 1024);
        var finished = server.HalfClose.PeerFinished;
        server.HalfClose.FinishSending();
        var read = server.Pair.Input.ReadAsync().AsTask();

        client.Reset();

        await Assert.ThrowsAsync<ConnectionResetException>(() => read.DefaultTimeout());
        await Poll.UntilAsync(() => connection.ConnectionClosed.IsCancellationRequested);
        Assert.False(finished.IsCancellationRequested);
        await server.IsClosedAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Only_a_connection_whose_transport_was_not_replaced_can_finish_sending(
        ApplicationScheduling scheduling)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix: false);
        var connection = server.Pair.Connection;
        var own = connection.Transport;
        connection.Transport = new Replacement(own.Input, own.Output);

        var exception = Assert.Throws<InvalidOperationException>(server.HalfClose.FinishSending);

        Assert.Contains("Middleware has replaced the", exception.Message, StringComparison.Ordinal);
        connection.Transport = own;
        server.HalfClose.FinishSending();
        await server.Pair.Client.ExpectFinAsync();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_connection_of_which_one_direction_has_ended_has_the_idle_timeout(
        ApplicationScheduling scheduling, bool isOurs)
    {
        await using var server = await HalfCloseServer.StartAsync(
            scheduling, isUnix: false, static endPoint => endPoint.IdleTimeout = _idle);
        var (connection, client) = server.Pair;
        var read = Record.ExceptionAsync(() => ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input));
        if (isOurs)
        {
            server.HalfClose.FinishSending();
        }
        else
        {
            client.ShutdownSend();
        }

        // Our FIN in the first case, and in the other that of the timeout.
        await client.ExpectFinAsync();
        await Poll.UntilAsync(() => connection.ConnectionClosed.IsCancellationRequested);
        await server.IsClosedAsync();
        await Poll.UntilAsync(() => Has(server, "ConnectionTimedOut"));
        Assert.Equal(isOurs, await read is ConnectionAbortedException);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_token_is_the_same_before_and_after_the_FIN(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        var before = server.HalfClose.PeerFinished;
        server.Pair.Client.ShutdownSend();
        await Poll.UntilAsync(() => before.IsCancellationRequested);

        Assert.Equal(before, server.HalfClose.PeerFinished);
    }

    /// <summary>shutdown(2) fails then: both directions of the socket are closed already.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task FinishSending_after_both_FINs_is_no_reset(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix, allows: false);
        server.Pair.Client.ShutdownSend();
        Assert.Equal(0, await ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input));
        ShutDown(server);
        await server.Pair.Client.ExpectFinAsync();

        server.HalfClose.FinishSending();

        await server.IsClosedAsync();
        Assert.False(Has(server, "ConnectionReset"));
    }

    private static void ShutDown(HalfCloseServer server)
        => server.Pair.Connection.Features.Get<IConnectionSocketFeature>()!.Socket.Shutdown(SocketShutdown.Send);

    /// <summary>Not inside a callback, that of an accept or of a read, where the flush would be deferred.</summary>
    private static Task<FlushResult> WriteOutsideAsync(HalfCloseServer server)
        => Task.Run(() => server.Pair.Output.WriteAsync(new byte[1]).AsTask()).DefaultTimeout();

    private static bool Has(HalfCloseServer server, string name)
        => server.Logs.Any(entry => entry.EventId.Name == name);

    private sealed record Replacement(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
