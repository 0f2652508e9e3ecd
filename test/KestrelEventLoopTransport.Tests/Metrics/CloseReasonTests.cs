using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Connections.Input;

namespace KestrelEventLoopTransport.Tests.Metrics;

[FailsOnStock("Metrics of ours.")]
public sealed class CloseReasonTests
{
    [Theory]
    [InlineData("", "None", false, false, "Completed")]
    [InlineData("Disposed", "Finished", false, false, "Completed")]
    [InlineData("PeerFinished", "Finished", false, false, "PeerFinished")]
    [InlineData("Aborted", "None", false, false, "Aborted")]
    [InlineData("Aborted, Resets", "None", false, true, "Aborted")]
    [InlineData("Aborted, PeerFinished", "Finished", false, false, "PeerFinished")]
    [InlineData("Aborted, PeerFinished", "Finished", false, true, "Aborted")]
    [InlineData("Aborted, PeerFinished", "Reset", false, true, "Reset")]
    [InlineData("PeerFinished", "Finished", true, false, "Reset")]
    [InlineData("", "Failed", true, false, "Failed")]
    [InlineData("Aborted, Resets, Expired", "Reset", false, true, "TimedOut")]
    public void The_reason_is_what_came_first(
        string flags, string inputEnd, bool sendFailed, bool hasReason, string reason)
    {
        var state = new ConnectionEndState(
            ConnectionPhase.Closing, flags.Length == 0 ? 0 : Enum.Parse<ConnectionEndFlags>(flags));

        var found = StreamConnection.ReasonOf(
            state, Enum.Parse<StreamEnd>(inputEnd), sendFailed, hasReason);

        Assert.Equal(reason, $"{found}");
    }
}
