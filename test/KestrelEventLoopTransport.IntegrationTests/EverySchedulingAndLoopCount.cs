namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>
/// Every <see cref="ApplicationScheduling"/> on one event loop and on two.
/// </summary>
public sealed class EverySchedulingAndLoopCount : MatrixTheoryData<ApplicationScheduling, int>
{
    public EverySchedulingAndLoopCount()
        : base(Enum.GetValues<ApplicationScheduling>(), [1, 2])
    {
    }
}
