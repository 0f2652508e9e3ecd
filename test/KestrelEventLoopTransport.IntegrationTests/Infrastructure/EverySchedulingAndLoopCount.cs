namespace KestrelEventLoopTransport.IntegrationTests.Infrastructure;

/// <summary>
/// Every <see cref="ApplicationScheduling"/> on one event loop and on two.
/// </summary>
public sealed class EverySchedulingAndLoopCount : MatrixTheoryData<ApplicationScheduling, int>
{
    public EverySchedulingAndLoopCount()
        : base(EveryScheduling.Values, [1, 2])
    {
    }
}
