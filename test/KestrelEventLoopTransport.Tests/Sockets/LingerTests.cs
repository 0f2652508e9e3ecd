using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>SO_LINGER changes what close(2) does: it resets at once, or it blocks.</summary>
[Trait("Contract", "22")]
[FailsOnStock("Options and hooks of ours.")]
public sealed class LingerTests
{
    // State of tcpi_state (linux/tcp.h, net/tcp_states.h): a reset socket is closed, one with a FIN is in CLOSE_WAIT.
    private const byte TcpClose = 7;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Zero_resets_at_the_close(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(
            scheduling, static options => options.EndpointDefaults.Linger = TimeSpan.Zero);
        await using var pair = await transport.ConnectAsync();
        await pair.Output.WriteAsync(new byte[10]);
        await pair.Client.ReceiveExactlyAsync(10);

        await pair.Connection.DisposeAsync().DefaultTimeout();

        // The transport's own FIN comes first; what tells the reset from it is the state of the socket.
        var client = (int)pair.Client.Socket.Handle;
        await Poll.UntilAsync(
            () => Libc.GetSocketOptionBytes(client, Libc.IPPROTO_TCP, Libc.TCP_INFO)[0] == TcpClose);
    }

    public static MatrixTheoryData<ApplicationScheduling, string> EveryWay
        => new(EveryScheduling.Values, ["option", "listen hook", "accept hook", "feature"]);

    // The only loop has a connection whose close takes as long as the peer likes.
    [Theory]
    [MemberData(nameof(EveryWay))]
    public async Task A_close_that_waits_does_not_hold_up_the_loop(ApplicationScheduling scheduling, string setBy)
    {
        var linger = new LingerOption(true, 60);
        await using var transport = new TestTransport(scheduling, options =>
        {
            options.EventLoopCount = 1;
            options.MaxWriteBufferSize = 0;
            switch (setBy)
            {
                case "option":
                    options.EndpointDefaults.Linger = TimeSpan.FromSeconds(60);
                    break;
                case "listen hook":
                    options.EndpointDefaults.ConfigureListenSocket = context => context.Socket.LingerState = linger;
                    break;
                case "accept hook":
                    options.EndpointDefaults.ConfigureAcceptedSocket = context => context.Socket.LingerState = linger;
                    break;
            }
        });
        var listener = await transport.BindAsync();
        await using var other = await transport.ConnectAsync(listener);
        var echo = Echo.RunAsync(other.Connection);

        // A signal ends the kernel's wait (sk_stream_wait_close), and the runtime sends signals to its threads.
        var hasWaited = false;
        for (var i = 0; i < 10 && !hasWaited; i++)
        {
            hasWaited = await WaitsWhileOthersAreServedAsync();
        }

        Assert.True(hasWaited);
        other.Client.ShutdownSend();
        await echo.DefaultTimeout();

        async Task<bool> WaitsWhileOthersAreServedAsync()
        {
            // What the client has not room for keeps the kernel from finishing, and the transport has given all of it
            // away.
            await using var slow = await transport.ConnectAsync(
                listener, static socket => socket.ReceiveBufferSize = 4096);
            if (setBy == "feature")
            {
                slow.Connection.Features.Get<IConnectionSocketFeature>()!.Socket.LingerState = linger;
            }

            var sent = 200_000;
            await slow.Output.WriteAsync(Pattern.Create(sent)).DefaultTimeout();
            var dispose = slow.Connection.DisposeAsync().AsTask();
            for (var i = 0; i < 20; i++)
            {
                await Echo.RoundTripAsync(other.Client);
            }

            var waits = !dispose.IsCompleted;
            Pattern.AssertMatches(await slow.Client.ReceiveExactlyAsync(sent));
            slow.Client.Dispose();
            await dispose.DefaultTimeout();
            return waits;
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_that_is_refused_does_not_linger(ApplicationScheduling scheduling)
    {
        byte[]? linger = null;
        await using var transport = new TestTransport(scheduling, options =>
        {
            options.EndpointDefaults.Linger = TimeSpan.FromSeconds(60);
            options.EndpointDefaults.ConfigureAcceptedSocket = context =>
            {
                linger = Libc.GetSocketOptionBytes(context.FileDescriptor, Libc.SOL_SOCKET, Libc.SO_LINGER);

                // Unacknowledged data is what a lingering close would wait for.
                Assert.True(Libc.send(context.FileDescriptor, new byte[200_000], 200_000, 0) > 4096);
                context.Refuse();
            };
        });
        var listener = await transport.BindAsync();
        var accept = listener.AcceptAsync();
        using var refused = await RawClient.ConnectAsync(
            listener.EndPoint, static socket => socket.ReceiveBufferSize = 4096);
        await refused.ReceiveExactlyAsync(1);

        // The acceptor goes on although the first client reads nothing more.
        using var next = await RawClient.ConnectAsync(listener.EndPoint);
        await next.ReceiveExactlyAsync(1);

        Assert.Equal([1, 0, 0, 0, 60, 0, 0, 0], linger!);
        await listener.UnbindAsync().DefaultTimeout();
        Assert.Null(await accept.DefaultTimeout());
    }
}
