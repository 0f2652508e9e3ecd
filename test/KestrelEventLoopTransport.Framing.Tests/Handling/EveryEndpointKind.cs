namespace KestrelEventLoopTransport.Framing.Tests;

public sealed class EveryEndpointKind : TheoryData<EndpointKind>
{
    public EveryEndpointKind()
        : base(Enum.GetValues<EndpointKind>())
    {
    }
}
