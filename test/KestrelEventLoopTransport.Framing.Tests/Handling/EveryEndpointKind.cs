namespace KestrelEventLoopTransport.Framing.Tests.Handling;

public sealed class EveryEndpointKind : TheoryData<EndpointKind>
{
    public EveryEndpointKind()
        : base(Enum.GetValues<EndpointKind>())
    {
    }
}
