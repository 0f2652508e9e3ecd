using KestrelEventLoopTransport.Datagrams;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>What a socket remembers of refusals to cut messages, by a clock of the tests.</summary>
[FailsOnStock("Stock has no datagrams.")]
public sealed class SegmentLimitTests
{
    private const int EPERM = 1;
    private const int EIO = 5;
    private const int EINVAL = 22;
    private const int EMSGSIZE = 90;
    private const long Start = 1_000;
    private const long Recovered = Start + SegmentLimit.MillisecondsUntilRecovery;

    [Theory]
    [InlineData(EIO, 0)]
    [InlineData(EINVAL, 1_199)]
    [InlineData(EMSGSIZE, 1_199)]
    public void A_refusal_is_remembered_for_ten_minutes(int error, int expected)
    {
        var limit = new SegmentLimit(hasSegmentation: true);
        limit.Refuse(error, 1_200, Start);

        Assert.Equal(expected, limit.LengthAt(Start));
        Assert.Equal(expected, limit.LengthAt(Recovered - 1));
        Assert.Equal(DatagramSendBatch.MaxSegment, limit.LengthAt(Recovered));
        Assert.Equal(DatagramSendBatch.MaxSegment, limit.Length);
    }

    [Fact]
    public void The_shortest_refusal_counts_and_starts_the_time_anew()
    {
        var limit = new SegmentLimit(hasSegmentation: true);
        limit.Refuse(EINVAL, 1_200, Start);
        limit.Refuse(EINVAL, 500, Start + 10);
        limit.Refuse(EINVAL, 800, Start + 20);

        Assert.Equal(499, limit.LengthAt(Recovered + 9));
        Assert.Equal(DatagramSendBatch.MaxSegment, limit.LengthAt(Recovered + 10));
    }

    [Fact]
    public void An_error_of_the_destination_lowers_nothing()
    {
        var limit = new SegmentLimit(hasSegmentation: true);
        limit.Refuse(EPERM, 1_200, Start);
        Assert.Equal(DatagramSendBatch.MaxSegment, limit.LengthAt(Start));
    }

    [Fact]
    public void Nothing_recovers_where_nothing_is_cut()
    {
        var limit = new SegmentLimit(hasSegmentation: false);
        limit.Refuse(EINVAL, 1_200, Start);
        Assert.Equal(0, limit.LengthAt(Recovered));
    }
}
