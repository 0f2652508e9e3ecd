using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>
/// Aborts a connection whose handler is done, if the transport has not sent what was left by then. It does not keep the
/// connection alive.
/// </summary>
/// <param name="connection">The connection.</param>
/// <param name="timeout">How long the transport has.</param>
internal sealed class UnsentTimer(ConnectionContext connection, TimeSpan timeout) : FrameTimer
{
    private readonly WeakReference<ConnectionContext> _connection = new(connection);

    internal override long Look(long now, out bool acts)
    {
        acts = true;
        return Never;
    }

    protected override void Act()
    {
        if (_connection.TryGetTarget(out var left))
        {
            left.Abort(TimedOut(
                $"The connection was closed, and the peer has not read all bytes within {timeout} (CloseTimeout)."));
        }
    }
}
