using KestrelEventLoopTransport.Connections.Buffers;

namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>
/// Bytes that were received ahead of the reader. An object of its own, because most connections never need it. It
/// exists while bytes are held, and belongs to the thread that has set <see cref="InputFlags.Busy"/>.
/// </summary>
internal sealed class HeldBytes
{
    private ReceivedBytes _bytes;

    internal ref ReceivedBytes Bytes => ref _bytes;
}
