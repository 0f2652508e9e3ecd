namespace KestrelEventLoopTransport.EcosystemTests.Infrastructure;

/// <summary>Every <see cref="TransportUnderTest"/> with HTTP/2, plain and over TLS.</summary>
public sealed class EveryTransportAndHttp2 : MatrixTheoryData<TransportUnderTest, ClientProtocol>
{
    public EveryTransportAndHttp2()
        : base(EveryTransport.Values, Protocols)
    {
    }

    public static ClientProtocol[] Protocols => [ClientProtocol.Http2PriorKnowledge, ClientProtocol.Http2OverTls];
}
