namespace KestrelEventLoopTransport.Framing.Tests;

public sealed class ParameterTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    public void The_maximum_is_at_least_1(int max)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameCodec.Line(max));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameCodec.Line(max, LineEnding.StrictCrLf));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameCodec.Delimited(max, "\n"u8));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameCodec.FixedLength(max));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameCodec.LengthPrefixed(max));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameCodec.LengthField(max, 0, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameCodec.Varint32(max));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NetstringCodec(max));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(9)]
    [InlineData(-1)]
    public void A_length_has_1_2_3_4_or_8_bytes(int size)
    {
        Assert.Throws<ArgumentOutOfRangeException>("prefixSize", () => FrameCodec.LengthPrefixed(100, size));
        Assert.Throws<ArgumentOutOfRangeException>("lengthFieldLength", () => FrameCodec.LengthField(100, 0, size));
    }

    [Fact]
    public void Unknown_values_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameCodec.Line(1, (LineEnding)3));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameCodec.LengthPrefixed(1, 4, (ByteOrder)2));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameCodec.LengthField(4, 0, 4, byteOrder: (ByteOrder)(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => new FrameReaderOptions { OversizedFrame = (OversizedFrameBehavior)2 });
    }

    [Theory]
    [InlineData(7, 4, 4, 0, 0)] // The header alone has 8 bytes.
    [InlineData(100, -1, 4, 0, 0)]
    [InlineData(100, int.MaxValue, 4, 0, 0)]
    [InlineData(1000, 0, 1, -256, 0)] // The field's largest value is 255.
    [InlineData(100, 0, 4, int.MaxValue, 0)]
    [InlineData(100, 0, 4, 97, 0)]
    [InlineData(100, 0, 4, 0, -1)]
    [InlineData(100, 0, 4, 0, 5)] // A frame with a length of 0 has 4 bytes.
    [InlineData(100, 0, 4, -2, 5)]
    [InlineData(100, 0, 4, 2, 7)]
    [InlineData(100, 0, 4, 0, int.MaxValue)]
    public void A_length_field_that_fits_no_frame_is_refused(int max, int offset, int size, int adjustment, int strip)
        => Assert.Throws<ArgumentOutOfRangeException>(
            () => FrameCodec.LengthField(max, offset, size, adjustment, strip));

    [Theory]
    [InlineData(8, 4, 4, 0, 8)]
    [InlineData(100, 0, 4, 96, 100)]
    [InlineData(100, 0, 4, int.MinValue, 4)]
    [InlineData(int.MaxValue, 0, 8, 0, 0)]
    public void A_length_field_that_fits_just_one_is_allowed(int max, int offset, int size, int adjustment, int strip)
        => Assert.Equal(max, FrameCodec.LengthField(max, offset, size, adjustment, strip).MaxFrameLength);

    [Theory]
    [InlineData]
    [InlineData("")]
    [InlineData("a", "")]
    [InlineData("a", "a")]
    [InlineData("a", "ab")]
    [InlineData("ab", "a")]
    [InlineData("xay", "a")]
    [InlineData("b", "c", "abcd")]
    public void Delimiters_that_are_empty_or_ambiguous_are_refused(params string[] delimiters)
        => Assert.Throws<ArgumentException>(
            () => FrameCodec.Delimited(100, delimiters.Select(System.Text.Encoding.ASCII.GetBytes)));

    [Theory]
    [InlineData("\r\n", "\n")]
    [InlineData("aba", "bab")]
    [InlineData("a", "bbbba", "bba")]
    public void Delimiters_may_be_the_end_of_others_and_overlap(params string[] delimiters)
        => Assert.NotNull(FrameCodec.Delimited(100, delimiters.Select(System.Text.Encoding.ASCII.GetBytes)));

    [Fact]
    public void Delimiters_have_1024_bytes_at_most()
    {
        Assert.NotNull(FrameCodec.Delimited(100, new byte[1024]));
        Assert.Throws<ArgumentException>(() => FrameCodec.Delimited(100, new byte[1025]));
    }

    [Fact]
    public void A_codec_keeps_its_own_copy_of_delimiters()
    {
        byte[] delimiter = [1];
        var codec = FrameCodec.Delimited(100, [delimiter]);
        delimiter[0] = 2;
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        codec.Encode(output, default);
        Assert.Equal(1, output.WrittenSpan[0]);
    }

    [Fact]
    public void A_custom_codec_strips_no_more_than_there_is()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameScanResult.Frame(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameScanResult.Frame(5, head: 6));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameScanResult.Frame(5, head: 3, tail: 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameScanResult.Frame(5, head: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameScanResult.Frame(5, tail: -1));
    }
}
