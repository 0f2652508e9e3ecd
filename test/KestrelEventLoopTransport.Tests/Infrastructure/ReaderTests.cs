using System.Buffers;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>Tests of a <see cref="PipeReader"/>, with the means to feed it.</summary>
public abstract class ReaderTests : PipeTests
{
    private protected PipeReader Reader => Pair?.Input ?? Model!.Reader;

    private protected override PipeOptions ModelOptions
        => new(pauseWriterThreshold: 0, useSynchronizationContext: false);

    private protected async Task FeedAsync(byte[] bytes)
    {
        if (Pair is not null)
        {
            await Pair.Client.SendAsync(bytes);
        }
        else
        {
            await Model!.Writer.WriteAsync(bytes).DefaultTimeout();
        }
    }

    /// <summary>Feeds the first bytes, and reads them all at once.</summary>
    private protected async Task<ReadResult> FeedAndReadAsync(int length)
    {
        await FeedAsync(Pattern.Create(length));
        return await Reader.ReadAtLeastAsync(length).DefaultTimeout();
    }

    private protected async Task EndAsync()
    {
        if (Pair is not null)
        {
            Pair.Client.ShutdownSend();
        }
        else
        {
            await Model!.Writer.CompleteAsync();
        }
    }

    /// <summary>Reading goes on.</summary>
    private protected async Task AssertReadsAsync(int length)
    {
        var result = await FeedAndReadAsync(length);
        Assert.False(result.IsCanceled);
        Assert.Equal(Pattern.Create(length), result.Buffer.ToArray());
        Reader.AdvanceTo(result.Buffer.End);
    }
}
