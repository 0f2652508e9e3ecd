using KestrelEventLoopTransport.Connections.Input;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>Each idle connection has an input: a field more is memory more.</summary>
[Trait("Contract", "loops")]
public sealed class InputSizeTests
{
    // On a 64-bit system; 8 count the bytes. It had 264 while it kept the fields that only receiving ahead needs.
    private const int MaxBytes = 200;

    [Fact]
    public void An_idle_input_is_small()
    {
        GC.KeepAlive(new ConnectionInput(null!));
        var before = GC.GetAllocatedBytesForCurrentThread();

        GC.KeepAlive(new ConnectionInput(null!));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, MaxBytes);
    }
}
