namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// Every <see cref="ApplicationScheduling"/>, so that a new one is tested without touching a test:
/// <c>[ClassData&lt;EveryScheduling&gt;]</c>.
/// </summary>
public sealed class EveryScheduling : TheoryData<ApplicationScheduling>
{
    public EveryScheduling()
        : base(Values)
    {
    }

    /// <summary>The stock transport knows two: handlers on the pool, and inline.</summary>
    public static ApplicationScheduling[] Values => StockTransport.IsUnderTest
        ? [ApplicationScheduling.ThreadPool, ApplicationScheduling.Inline]
        : Enum.GetValues<ApplicationScheduling>();
}
