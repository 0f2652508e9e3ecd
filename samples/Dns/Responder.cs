using System.Buffers.Binary;

namespace Dns;

/// <summary>Answers queries from the zone. It is the same for UDP and TCP.</summary>
internal sealed class Responder(Zone zone)
{
    // The header's flags and codes (RFC 1035, section 4.1.1).
    private const int Response = 0x8000;
    private const int OpcodeMask = 0x7800;
    private const int Authoritative = 0x0400;
    private const int Truncated = 0x0200;
    private const int RecursionDesired = 0x0100;
    private const int FormatError = 1;
    private const int NoSuchName = 3;
    private const int NotImplemented = 4;
    private const int Refused = 5;

    private const int AnyType = 255;
    private const int InternetClass = 1;
    private const int OptionsSize = 11;

    /// <summary>Answers a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="answer">Room for the answer.</param>
    /// <param name="isDatagram">Whether the answer may be too long for the asker.</param>
    /// <returns>The length of the answer. 0 for what is not a query: an answer could go back and forth.</returns>
    public int Answer(ReadOnlySpan<byte> message, Span<byte> answer, bool isDatagram)
    {
        if (message.Length < Query.HeaderSize)
        {
            return 0;
        }

        var flags = BinaryPrimitives.ReadUInt16BigEndian(message[2..]);
        if ((flags & Response) != 0)
        {
            return 0;
        }

        flags = (ushort)((flags & (OpcodeMask | RecursionDesired)) | Response);
        var query = default(Query);
        Span<char> name = stackalloc char[256];
        if ((flags & OpcodeMask) != 0 || !query.TryRead(message, name, out var length))
        {
            var code = (flags & OpcodeMask) != 0 ? NotImplemented : FormatError;
            return new AnswerWriter(message[..Query.HeaderSize], answer).End(flags | code, questions: 0);
        }

        var size = isDatagram ? Math.Min(answer.Length, query.DatagramSize) : answer.Length;
        return Answer(query, name[..length], flags, answer[..size]);
    }

    private int Answer(Query query, ReadOnlySpan<char> name, int flags, Span<byte> answer)
    {
        var writer = new AnswerWriter(query.Question, answer[..^(query.HasOptions ? OptionsSize : 0)]);
        if (!zone.Contains(name) || query.Class != InternetClass)
        {
            flags |= Refused;
        }
        else
        {
            flags |= Authoritative;
            var records = zone.Find(name);
            foreach (var record in records ?? [])
            {
                if (record.Type == query.Type || (int)query.Type == AnyType)
                {
                    writer.AddAnswer(record);
                }
            }

            if (writer.Answers == 0)
            {
                flags |= records is null ? NoSuchName : 0;
                writer.AddAuthority(zone);
            }

            flags |= writer.IsFull ? Truncated : 0;
        }

        return writer.End(flags, questions: 1, answer, query.HasOptions);
    }
}
