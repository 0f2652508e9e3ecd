namespace KestrelEventLoopTransport.Framing;

/// <summary>What ends a line, for <see cref="FrameCodec.Line"/>.</summary>
/// <remarks>
/// Lenient is what most protocols want. Where lines are passed on to another program that is strict, or the other way
/// round, the two must not see different messages in the same bytes: <see cref="StrictCrLf"/> is safe.
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
