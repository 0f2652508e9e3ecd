namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>
/// Every <see cref="ApplicationScheduling"/>, for tests that take long or have another parameter; they run on two
/// loops.
/// </summary>
public sealed class EveryScheduling : TheoryData<ApplicationScheduling>
{
    public EveryScheduling()
        : base(Enum.GetValues<ApplicationScheduling>())
    {
    }
}
