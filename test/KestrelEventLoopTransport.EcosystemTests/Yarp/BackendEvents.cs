namespace KestrelEventLoopTransport.EcosystemTests.Yarp;

/// <summary>What the server behind the proxy tells the test.</summary>
internal sealed class BackendEvents
{
    /// <summary>A request waits for its client's end.</summary>
    public TaskCompletionSource Waits { get; } = Signal.New();

    /// <summary>Its client has ended it.</summary>
    public TaskCompletionSource Aborted { get; } = Signal.New();
}
