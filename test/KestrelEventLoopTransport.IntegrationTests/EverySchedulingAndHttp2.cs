using KestrelEventLoopTransport.IntegrationTests.Clients;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>
/// Every <see cref="ApplicationScheduling"/> with HTTP/2, plain and over TLS; they run on two loops.
/// </summary>
public sealed class EverySchedulingAndHttp2 : MatrixTheoryData<ApplicationScheduling, ClientProtocol>
{
    public EverySchedulingAndHttp2()
        : base(Enum.GetValues<ApplicationScheduling>(), [ClientProtocol.Http2PriorKnowledge, ClientProtocol.Http2OverTls])
    {
    }
}
