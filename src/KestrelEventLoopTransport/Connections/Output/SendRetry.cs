namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>Sends again after the kernel was short of memory. The loop runs it.</summary>
internal sealed class SendRetry(ConnectionOutput output) : IThreadPoolWorkItem
{
    public void Execute() => output.Retry();
}
