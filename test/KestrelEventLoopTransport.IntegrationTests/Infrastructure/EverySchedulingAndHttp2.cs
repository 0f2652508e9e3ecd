
namespace KestrelEventLoopTransport.IntegrationTests.Infrastructure;

/// <summary>
/// Every <see cref="ApplicationScheduling"/> with HTTP/2, plain and over TLS; they run on two loops.
/// </summary>
public sealed class EverySchedulingAndHttp2 : MatrixTheoryData<ApplicationScheduling, ClientProtocol>
{
    public EverySchedulingAndHttp2()
        : base(EveryScheduling.Values, [ClientProtocol.Http2PriorKnowledge, ClientProtocol.Http2OverTls])
    {
    }
}
