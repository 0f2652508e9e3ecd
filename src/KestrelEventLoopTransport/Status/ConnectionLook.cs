using KestrelEventLoopTransport.Connections;

namespace KestrelEventLoopTransport.Status;

/// <summary>A connection, as <see cref="ConnectionSurvey"/> has found it.</summary>
/// <param name="Connection">The connection. It may have ended since.</param>
/// <param name="Bytes">Number of bytes received and sent.</param>
/// <param name="IdleSince">
/// The first look at which the bytes were as many as now; by <see cref="Loops.Timers.LoopClock"/>.
/// </param>
/// <param name="Buffered">Number of bytes that wait for the application or for the kernel.</param>
internal readonly record struct ConnectionLook(
    StreamConnection Connection, long Bytes, long IdleSince, long Buffered);
