namespace KestrelEventLoopTransport.Tests.Stress;

internal enum StressKind
{
    /// <summary>The server sends back what comes.</summary>
    Echo,

    /// <summary>The server sends, the client listens.</summary>
    Generate,

    /// <summary>The client sends, the server listens and answers with the number of bytes.</summary>
    Upload,
}
