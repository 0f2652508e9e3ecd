namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

/// <summary>The ways to use a <see cref="FrameReader"/>.</summary>
internal enum ReadingStyle
{
    /// <summary>await foreach</summary>
    Enumerate,

    /// <summary>WaitToReadAsync and TryRead</summary>
    Batches,

    /// <summary>WaitToReadAsync, one TryRead, Release</summary>
    Release,
}
