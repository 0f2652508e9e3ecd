using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>
/// The connection ended before a frame was sent. It is a type of its own because the writer only knows that much. The
/// reader knows why the connection ended, so its exception is preferred.
/// </summary>
internal sealed class FrameNotSentException(string message, Exception? inner = null)
    : ConnectionAbortedException(message, inner!);
