namespace KestrelEventLoopTransport.EcosystemTests.Infrastructure;

/// <summary>Every <see cref="TransportUnderTest"/> with HTTP/1.1 and with HTTP/2, plain and over TLS.</summary>
public sealed class EveryTransportAndProtocol : MatrixTheoryData<TransportUnderTest, ClientProtocol>
{
    public EveryTransportAndProtocol()
        : base(
            EveryTransport.Values,
            [ClientProtocol.Http1, ClientProtocol.Http2PriorKnowledge, ClientProtocol.Http2OverTls])
    {
    }
}
