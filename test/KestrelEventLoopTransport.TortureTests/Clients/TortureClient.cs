namespace KestrelEventLoopTransport.TortureTests;

/// <summary>A client's connection, of either kind.</summary>
internal abstract class TortureClient : IAsyncDisposable
{
    /// <summary>Connects. The conversation gets the port before.</summary>
    public abstract Task ConnectAsync();

    /// <summary>Returns how many bytes were taken.</summary>
    public abstract ValueTask<int> SendAsync(ReadOnlyMemory<byte> bytes);

    /// <summary>Returns 0 at the end.</summary>
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer);

    public abstract void FinishSending();

    /// <summary>Ends both directions, while a receive may be pending.</summary>
    public abstract void Close();

    public abstract void Reset();

    public abstract ValueTask DisposeAsync();
}
