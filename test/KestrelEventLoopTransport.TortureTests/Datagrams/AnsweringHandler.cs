namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// Answers each datagram at most once, with its own bytes: in the call, on another thread, late, or not at all.
/// </summary>
internal sealed class AnsweringHandler(Episode episode, int endpoint) : DatagramHandler
{
    public override void OnDatagrams(ReadOnlySpan<Datagram> datagrams, DatagramSender sender)
    {
        if (episode.Plan.Blocks && Random.Shared.Next(50) == 0)
        {
            Thread.Sleep(Random.Shared.Next(3));
        }

        foreach (ref readonly var datagram in datagrams)
        {
            if (datagram.IsTruncated || DatagramPeer.EndpointOf(datagram.Payload) != endpoint)
            {
                episode.Fail($"A datagram of {datagram.Length} bytes reached datagram endpoint {endpoint}.");
            }

            switch (Random.Shared.Next(20))
            {
                case 0:
                    break;
                case 1:
                    AnswerLater(datagram, sender);
                    break;
                case 2 when episode.Plan.Blocks:
                    sender.Reply(datagram.Payload, datagram);
                    Thread.Sleep(1);
                    break;
                default:
                    sender.Reply(datagram.Payload, datagram);
                    break;
            }
        }
    }

    private void AnswerLater(in Datagram datagram, DatagramSender sender)
    {
        var copy = new ReceivedDatagram(datagram);
        var waits = Random.Shared.Next(2) == 0;
        _ = Task.Run(async () =>
        {
            if (waits)
            {
                await sender.SendAsync(copy.Payload, copy.RemoteAddress, copy.ReplySource);
            }
            else
            {
                sender.Send(copy.Payload.Span, copy.RemoteAddress, copy.ReplySource);
            }

            episode.OnProgress();
        });
    }
}
