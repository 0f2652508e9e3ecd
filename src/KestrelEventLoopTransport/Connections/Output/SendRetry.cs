using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>Sends again after the kernel was short of memory. The loop runs it.</summary>
internal sealed class SendRetry(ConnectionOutput output, EventLoop loop) : LoopTimer(loop)
{
    protected override long OnDue(long now)
    {
        output.Retry();
        return Never;
    }
}
