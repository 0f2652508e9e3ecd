using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing;

// What the connection's timer looks at, and what it does.
public sealed partial class FrameConnection
{
    private readonly ConnectionTimer _timer;

    /// <summary>
    /// The time since bytes were last received, whole frames or not; since the connection was accepted if none were. A
    /// handler that does not return keeps bytes from being received.
    /// </summary>
    public TimeSpan TimeSinceLastReceive => _timer.Clock.GetElapsedTime(LastReceive);

    /// <summary>
    /// The time since the transport last took bytes to send; since the connection was accepted if it took none. While
    /// the peer does not read, the transport takes no more when its buffers are full.
    /// </summary>
    public TimeSpan TimeSinceLastSend => _timer.Clock.GetElapsedTime(LastSend);

    /// <summary>The timestamp at which bytes were last received.</summary>
    internal long LastReceive => _reader.LastRead;

    /// <summary>The timestamp at which the transport last took bytes.</summary>
    internal long LastSend => _output.LastSend;

    /// <summary>Since when the reading loop waits for bytes; 0 if it does not.</summary>
    internal long ReceiveWaitsSince => _endsReading ? 0 : _reader.WaitsSince;

    /// <summary>Since when a flush waits for the peer; 0 if none does.</summary>
    internal long SendWaitsSince => _output.WaitsSince;

    /// <summary>Whether a time-out has passed. The connection may end a little later.</summary>
    internal bool HasTimedOut => _timer.HasExpired;

    internal void AskForTick() => _turn.Ask(TurnFlags.TickDue);

    internal void WithdrawTick() => _turn.Withdraw(TurnFlags.TickDue);

    /// <summary>A time-out has passed. Whatever callback is running, the transport ends the connection now.</summary>
    internal void Expire(ConnectionAbortedException reason)
    {
        // The abort first: a logger may throw.
        if (AbortWith(reason))
        {
            FramingLog.TimedOut(_endpoint.Logger, ConnectionId, reason.Message);
        }
    }
}
