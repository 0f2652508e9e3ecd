namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>The same for a connection that the transport has opened.</summary>
[Trait("Contract", "26")]
[FailsOnStock("Stock's client is internal.")]
public sealed class DialedPipeReaderCancellationTests : Reading.PipeReaderCancellationTests
{
    private protected override bool IsDialed => true;
}
