namespace KestrelEventLoopTransport.EcosystemTests.Infrastructure;

/// <summary>Every <see cref="TransportUnderTest"/>: <c>[ClassData&lt;EveryTransport&gt;]</c>.</summary>
public sealed class EveryTransport : TheoryData<TransportUnderTest>
{
    public EveryTransport()
        : base(Values)
    {
    }

    public static TransportUnderTest[] Values => Enum.GetValues<TransportUnderTest>();

    /// <summary>A test that waits for seconds waits once, on all of them.</summary>
    public static Task AtOnceAsync(Func<TransportUnderTest, Task> test) => Task.WhenAll(Values.Select(test));
}
