namespace KestrelEventLoopTransport.EcosystemTests.Infrastructure;

/// <summary>Every <see cref="TransportUnderTest"/>, without TLS and with it.</summary>
public sealed class EveryTransportAndTls : MatrixTheoryData<TransportUnderTest, bool>
{
    public EveryTransportAndTls()
        : base(EveryTransport.Values, [false, true])
    {
    }
}
