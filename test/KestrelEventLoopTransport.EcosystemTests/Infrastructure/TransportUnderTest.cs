namespace KestrelEventLoopTransport.EcosystemTests.Infrastructure;

/// <summary>What Kestrel runs on: its own transport, which is the control, or ours in each scheduling.</summary>
public enum TransportUnderTest
{
    Sockets,
    Adaptive,
    ThreadPool,
    Inline,
}
