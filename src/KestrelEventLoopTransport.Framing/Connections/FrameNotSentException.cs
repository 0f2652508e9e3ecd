using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>
/// The connection was over before a frame was sent. A type of its own, because the writer only knows that: why it is
/// over, the reader knows better.
/// </summary>
internal sealed class FrameNotSentException(string message, Exception? inner = null)
    : ConnectionAbortedException(message, inner!);
