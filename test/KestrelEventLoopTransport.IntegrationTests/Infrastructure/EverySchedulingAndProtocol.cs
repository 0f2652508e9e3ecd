
namespace KestrelEventLoopTransport.IntegrationTests.Infrastructure;

/// <summary>
/// Every <see cref="ApplicationScheduling"/> with every <see cref="ClientProtocol"/>; they run on two loops.
/// </summary>
public sealed class EverySchedulingAndProtocol : MatrixTheoryData<ApplicationScheduling, ClientProtocol>
{
    public EverySchedulingAndProtocol()
        : base(EveryScheduling.Values, Enum.GetValues<ClientProtocol>())
    {
    }
}
