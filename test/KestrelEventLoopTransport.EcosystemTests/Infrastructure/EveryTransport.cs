namespace KestrelEventLoopTransport.EcosystemTests.Infrastructure;

/// <summary>Every <see cref="TransportUnderTest"/>: <c>[ClassData&lt;EveryTransport&gt;]</c>.</summary>
public sealed class EveryTransport : TheoryData<TransportUnderTest>
{
    public EveryTransport()
        : base(Values)
    {
    }

    public static TransportUnderTest[] Values => Enum.GetValues<TransportUnderTest>();
}
