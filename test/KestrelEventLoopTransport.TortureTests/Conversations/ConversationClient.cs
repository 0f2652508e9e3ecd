using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>The client's end of a conversation, over either kind of client.</summary>
internal sealed class ConversationClient
{
    private readonly Episode _episode;
    private readonly Conversation _conversation;
    private readonly TortureClient _client;
    private volatile bool _sentAll;
    private int _halfClosed;

    private ConversationClient(Episode episode, Conversation conversation, TortureClient client)
    {
        _episode = episode;
        _conversation = conversation;
        _client = client;
    }

    public static async Task RunAsync(Episode episode, Conversation conversation, EndPoint endPoint, Random random)
    {
        await using TortureClient connection = episode.Plan.Client == ClientKind.Socket
            ? new SocketClient(conversation, endPoint, random)
            : new LoopClient(episode, conversation);
        var client = new ConversationClient(episode, conversation, connection);
        try
        {
            await connection.ConnectAsync();
            await client.RunAsync(random);
            conversation.ClientState = "ended";
        }
        catch (Exception exception) when (exception
            is SocketException or ObjectDisposedException or IOException or ConnectionAbortedException)
        {
            conversation.ClientState = $"failed: {exception.Message}";
            if (client.MustEndInOrder && !LoopDialer.IsShortage(exception))
            {
                episode.Fail($"{conversation}: {exception}");
            }
        }
        finally
        {
            conversation.ClientEnding = true;
        }
    }

    private bool MustEndInOrder => _conversation.EndsInOrder && !_episode.Stopping && !_conversation.IsBroken;

    private async Task RunAsync(Random random)
    {
        var sending = SendAsync(new Random(random.Next()));
        try
        {
            await ReceiveAsync(random);
        }
        finally
        {
            await sending;
        }
    }

    private async Task SendAsync(Random random)
    {
        // In one piece with the first bytes, as one may expect, or not.
        await SendAsync(BitConverter.GetBytes(_conversation.Id));
        for (var position = 0; position < _conversation.Upload;)
        {
            var n = Math.Min(Pace.ChunkSize(random), _conversation.Upload - position);
            if (_conversation.ClientEnd is ClientEnd.Reset or ClientEnd.Close && position >= _conversation.ClientEndAt)
            {
                break;
            }

            await SendAsync(Pattern.Create(n, _conversation.UploadStream, position));
            position += n;
            _conversation.ClientSent = position;
            await Pace.PauseAsync(random, blocks: false);
        }

        switch (_conversation.ClientEnd)
        {
            case ClientEnd.HalfClose:
                _conversation.ClientEnding = true;
                _client.FinishSending();
                break;
            case ClientEnd.Close:
                _conversation.ClientEnding = true;
                _client.Close();
                break;
            case ClientEnd.Reset:
                _conversation.ClientEnding = true;
                _client.Reset();
                break;
            default:
                _sentAll = true;
                HalfCloseWhenDone();
                break;
        }
    }

    /// <summary>For <see cref="ClientEnd.LateHalfClose"/>: whichever direction is done last.</summary>
    private void HalfCloseWhenDone()
    {
        if (_sentAll && _conversation.ClientReceived == _conversation.Download
            && Interlocked.Exchange(ref _halfClosed, 1) == 0)
        {
            _conversation.ClientEnding = true;
            _client.FinishSending();
        }
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _client.SendAsync(bytes)..];
            _episode.OnProgress();
        }
    }

    private async Task ReceiveAsync(Random random)
    {
        var buffer = new byte[64 * 1024];
        for (var position = 0; ;)
        {
            HalfCloseWhenDone();
            var n = await _client.ReceiveAsync(buffer.AsMemory(0, Math.Min(Pace.ChunkSize(random), buffer.Length)));
            _episode.OnReceived(n);
            if (n == 0)
            {
                if (position < _conversation.Download && MustEndInOrder)
                {
                    _episode.Fail($"The client received a FIN after {position} bytes: {_conversation}");
                }

                return;
            }

            if (Pattern.FirstMismatch(buffer.AsSpan(0, n), _conversation.DownloadStream, position) is var at and >= 0)
            {
                _episode.Fail($"The client received a wrong byte at {position + at}: {_conversation}");
                return;
            }

            position += n;
            _conversation.ClientReceived = position;
            if (position > _conversation.Download)
            {
                _episode.Fail($"The client received {position} bytes: {_conversation}");
                return;
            }

            await Pace.PauseAsync(random, blocks: false);
        }
    }
}
