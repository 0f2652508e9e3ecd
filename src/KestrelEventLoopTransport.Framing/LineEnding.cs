namespace KestrelEventLoopTransport.Framing;

/// <summary>What ends a line, for <see cref="FrameCodec.Line"/>.</summary>
/// <remarks>
/// Most protocols want lenient reading. If lines are passed on to another program, a strict and a lenient reader could
/// see different messages in the same bytes. <see cref="StrictCrLf"/> is safe there.
/// </remarks>
public enum LineEnding
{
    /// <summary>
    /// Reads lines that end with LF or CR LF; writes LF, or CR LF behind a line whose last byte is CR.
    /// </summary>
    Lf,

    /// <summary>Reads lines that end with LF or CR LF; writes CR LF, as most internet protocols ask for.</summary>
    CrLf,

    /// <summary>Reads and writes CR LF only. A CR or an LF alone is part of the line.</summary>
    StrictCrLf,
}
