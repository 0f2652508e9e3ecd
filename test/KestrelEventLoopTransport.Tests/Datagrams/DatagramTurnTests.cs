using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Polling;
using KestrelEventLoopTransport.Tests.Loops;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>The turns of a socket whose edges the test makes.</summary>
public sealed class DatagramTurnTests
{
    // Four batches of 32.
    private const int Turn = 128;

    [Fact]
    public async Task An_edge_while_a_turn_is_posted_posts_no_other()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Inline);
        var script = new DatagramScript { OnDatagrams = static (_, _) => { } };
        using var handler = new ScriptedHandler(script);
        var options = new DatagramEndpointOptions { ReceiveBufferSize = 1024 * 1024 };
        var bound = BoundDatagramSocket.Bind(new IPEndPoint(IPAddress.Loopback, 0), options, 1)[0];
        var socket = new DatagramSocket(bound, subject.Loop, handler, options);
        using var one = DatagramServer.Connect(bound.EndPoint);
        using var two = DatagramServer.Connect(bound.EndPoint);
        var received = new List<long>();
        try
        {
            // They lie in the socket before its first turn.
            for (var i = 0; i < Turn; i++)
            {
                one.Send([1]);
                two.Send([2]);
            }

            await subject.RunAsync(() =>
            {
                for (var i = 0; i < 3; i++)
                {
                    socket.OnReady(PollEvents.Readable);
                    received.Add(socket.Received);
                }
            });

            // The first edge runs a turn and posts the next. The others leave it to that one.
            Assert.Equal([Turn, Turn, Turn], received);
            await Poll.UntilAsync(() => socket.Received == 2 * Turn);

            // That turn has ended, and so has the one that it has posted.
            await subject.RunAsync(static () => { });
            await subject.RunAsync(static () => { });

            // None is posted now, so an edge runs a turn again.
            one.Send([1]);
            await subject.RunAsync(() => socket.OnReady(PollEvents.Readable));
            Assert.Equal((2 * Turn) + 1, socket.Received);
        }
        finally
        {
            socket.Stop();
            await socket.Closed.DefaultTimeout();
        }
    }
}
