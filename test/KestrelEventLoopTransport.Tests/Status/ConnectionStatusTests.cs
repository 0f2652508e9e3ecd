using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Connections.Input;
using KestrelEventLoopTransport.Connections.Output;

namespace KestrelEventLoopTransport.Tests.Status;

public sealed class ConnectionStatusTests
{
    private const InputFlags Parked = InputFlags.Parked;
    private const OutputFlags Blocked = OutputFlags.Blocked | OutputFlags.HasChain;

    [Fact]
    public void A_connection_waits_for_what_comes_first()
    {
        Check(ConnectionStatus.Application, InputFlags.None, OutputFlags.None);
        Check(ConnectionStatus.Application, InputFlags.Ready, OutputFlags.Open);
        Check(ConnectionStatus.PeerSends, Parked, OutputFlags.None);
        Check(ConnectionStatus.PeerReads, Parked, Blocked);
        Check(ConnectionStatus.PeerReads, InputFlags.None, Blocked | OutputFlags.FlushParked);
        Check(ConnectionStatus.ReadingPaused, InputFlags.Full | InputFlags.Held, OutputFlags.None);
        Check(ConnectionStatus.Draining, Parked, Blocked | OutputFlags.Draining);
    }

    [Fact]
    public void A_connection_that_has_ended_waits_for_nothing_else()
        => Assert.Equal(
            ConnectionStatus.Ending, StreamConnection.StatusOf(isOpen: false, isTaken: false, Parked, Blocked));

    [Fact]
    public void A_connection_in_the_accept_queue_waits_there()
        => Assert.Equal(
            ConnectionStatus.AcceptQueue,
            StreamConnection.StatusOf(isOpen: true, isTaken: false, InputFlags.Ready, OutputFlags.None));

    private static void Check(ConnectionStatus expected, InputFlags input, OutputFlags output)
        => Assert.Equal(expected, StreamConnection.StatusOf(isOpen: true, isTaken: true, input, output));
}
